# SPDX-License-Identifier: MIT
"""Elastic constants given as two parallel lists, `coefficients` and `coefficient_types`."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidOption, MissingOption, Where, listing, suggestion
from ...hit.document import Block
from ...hit.input_file import InputFile
from ...types import Scalar
from ..declarations import ParameterDeclaration, ParameterEntry, Token

REGISTERED = {
    "LAME_LAMBDA": "lambda",
    "BULK_MODULUS": "K",
    "SHEAR_MODULUS": "G",
    "YOUNGS_MODULUS": "E",
    "POISSONS_RATIO": "nu",
    "P_WAVE_MODULUS": "M",
}


class CoefficientsDeclaration(ParameterDeclaration):
    """`sets`: the combinations of types that are accepted. `forward` receives the values in the order of
    the set; the model finds the registered names in `coefficient_names`."""

    def __init__(self, *sets: tuple[str, ...]) -> None:
        super().__init__(Scalar, None, None, True)
        self.sets = sets

    def options(self) -> list[str]:
        return ["coefficients", "coefficient_types"]

    def describe(self) -> list[dict[str, Any]]:
        accepted = " or ".join("{" + ", ".join(s) + "}" for s in self.sets)
        names = [REGISTERED[word] for words in self.sets for word in words]
        row = {"role": "parameters", "kind": "Scalar", "default": self.missing, "promotable": True}
        return [
            {
                **row,
                "name": "coefficients",
                "default": "required",
                "registered": listing(dict.fromkeys(names)),
            },
            {
                "name": "coefficient_types",
                "role": "option",
                "kind": f"list, {accepted}",
                "default": "required",
            },
        ]

    def read(self, block: Block, source: InputFile) -> Any:
        values, types = block.require("coefficients"), block.require("coefficient_types")
        tokens = [Token(word, values.where) for word in values.tokens()]
        return self._ordered(tokens, types.tokens(), types.where)

    def take(self, values: dict[str, Any]) -> Any:
        for option in self.options():
            if option not in values:
                raise MissingOption(f"option '{option}' is required")
        given, types = values.pop("coefficients"), values.pop("coefficient_types")
        return self._ordered(list(given), list(types), Where(option="coefficient_types"))

    def _ordered(self, values: list[Any], types: list[str], where: Where) -> dict[str, Any]:
        for word in types:
            if word not in REGISTERED:
                raise InvalidOption(f"'{word}' is no elastic coefficient{suggestion(word, REGISTERED)}", where)
        accepted = next((s for s in self.sets if sorted(s) == sorted(types)), None)
        if accepted is None:
            wanted = " or ".join("{" + ", ".join(s) + "}" for s in self.sets)
            raise InvalidOption(f"expected {wanted}, got {{{', '.join(types)}}}", where)
        if len(values) != len(types):
            text = f"{len(types)} types are given for {len(values)} coefficients; they must be equally many"
            raise InvalidOption(text, where)
        return {word: values[types.index(word)] for word in accepted}

    def entries(self, model: Any, value: dict[str, Any]) -> list[ParameterEntry]:
        model.coefficient_names = tuple(REGISTERED[word] for word in value)
        return [ParameterEntry(REGISTERED[w], Scalar, v, True, "coefficients") for w, v in value.items()]


def Coefficients(*sets: tuple[str, ...]) -> Any:
    """Declare the options `coefficients` and `coefficient_types`, whose types must be one of `sets`."""
    return CoefficientsDeclaration(*sets)
