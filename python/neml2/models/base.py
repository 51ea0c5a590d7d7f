# SPDX-License-Identifier: MIT
"""The base of all models: a pure function of typed values, declared by its variables and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from ..errors import MissingInput, listing, place_of, suggestion
from ..hit.object import Configured
from ..hit.options import read_values, take_values
from ..types import TensorWrapper
from .declarations import (
    InputDeclaration,
    InputsDeclaration,
    OutputDeclaration,
    ParameterDeclaration,
    Variable,
    VariableDeclaration,
)
from .derivatives import jacobian, jvp
from .parameters import Promoted, Stored, resolve

if TYPE_CHECKING:
    from ..hit.document import Block
    from ..hit.input_file import InputFile


class Model(torch.nn.Module, Configured):
    """A function from input variables and parameters to output variables, for any batch of material points.

    A subclass declares its variables and parameters as class attributes and writes `forward`, which
    receives the inputs in declared order, then the parameters in declared order, as typed values: None for
    an optional input that is left out, a tuple for a list. It returns one typed value, or a tuple in the
    order of the outputs.

    Attributes:
        name: the block's name.
        input_spec, output_spec: variable name -> type, in order. Parameters that are input variables come
        last. providers: models that compute such parameters; a ComposedModel includes them by itself.
    """

    SECTION = "Models"
    TYPE: ClassVar[type]
    priority: ClassVar[int] = 0
    """Of several models that compute one variable, those of lower priority run first."""

    def __init__(self, name: str = "", /, **options: Any) -> None:
        self._configure(name, take_values(type(self), options), None, None)

    @classmethod
    def from_block(cls, block: Block, source: InputFile) -> Model:
        model = cls.__new__(cls)
        model._configure(block.name, read_values(cls, block, source), source, block)
        return model

    # -- building --------------------------------------------------------------------------------------------

    def _configure(self, name: str, values: dict[str, Any], source: InputFile | None, block: Block | None) -> None:
        super().__init__()  # of torch.nn.Module
        self.name, self.source, self.block = name, source, block
        self.input_spec: dict[str, type] = {}
        self.output_spec: dict[str, type] = {}
        self.providers: tuple[Model, ...] = ()
        for attribute, declaration in self.DECLARATIONS.items():
            if not isinstance(declaration, VariableDeclaration | ParameterDeclaration):
                setattr(self, attribute, values[attribute])
        self._set_variables(values)
        self._set_parameters(values)
        self.setup()

    def variables(self, inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
        """Change the declared variables according to options. Overridden by models whose variables vary."""
        return inputs, outputs

    def _set_variables(self, values: dict[str, Any]) -> None:
        inputs: list[Variable] = []
        outputs: list[Variable] = []
        # what patterns of derived names may use: words given as options, and the names of variables
        words = {name for name, d in self.DECLARATIONS.items() if not isinstance(d, VariableDeclaration)}
        names: dict[str, str] = {name: values[name] for name in words if isinstance(values[name], str)}
        declarations = [d for d in self.DECLARATIONS.values() if isinstance(d, VariableDeclaration)]
        resolved: dict[str, Variable] = {}
        for declaration in sorted(declarations, key=lambda d: d.derived is not None):
            variable = declaration.resolve(values[declaration.attribute], self.name, names)
            resolved[declaration.attribute] = variable
            if isinstance(variable.name, str):
                names[declaration.attribute] = names[declaration.attribute.rstrip("_")] = variable.name
        for declaration in declarations:
            if isinstance(declaration, InputDeclaration | InputsDeclaration):
                inputs.append(resolved[declaration.attribute])
            elif isinstance(declaration, OutputDeclaration):
                outputs.append(resolved[declaration.attribute])
        self._inputs, self._outputs = self.variables(inputs, outputs)
        for variable in self._inputs:
            for name in variable.names:
                self._add_input(name, variable.type, variable.attribute.rstrip("_"))
        for variable in self._outputs:
            for name in variable.names:
                if name in self.output_spec:
                    raise self.error(f"two outputs are called '{name}'", variable.attribute.rstrip("_"))
                self.output_spec[name] = variable.type

    def _add_input(self, name: str, type_: type, option: str) -> None:
        known = self.input_spec.setdefault(name, type_)
        if known is not type_:
            text = f"'{name}' cannot be a {type_.__name__} here: it is a {known.__name__} input of this model"
            raise self.error(text, option)

    def _set_parameters(self, values: dict[str, Any]) -> None:
        self._parameter_slots: list[tuple[ParameterDeclaration, list[Stored | Promoted]]] = []
        for attribute, declaration in self.DECLARATIONS.items():
            if isinstance(declaration, ParameterDeclaration):
                slots: list[Stored | Promoted] = []
                for entry in declaration.entries(self, values[attribute]):
                    value = resolve(entry, self.source, self.where(entry.option))
                    if isinstance(value, Promoted):
                        self._add_input(value.variable, value.type, entry.option)
                        if value.provider is not None and value.provider not in self.providers:
                            self.providers = (*self.providers, value.provider)
                        slots.append(value)
                    else:
                        slots.append(self._store(entry.name, value))
                self._parameter_slots.append((declaration, slots))

    def _store(self, name: str, value: TensorWrapper) -> Stored:
        self.register_parameter(name, torch.nn.Parameter(value.data.detach().clone()))
        return Stored(name, type(value), value.sub_batch_ndim)

    @property
    def parameter_slots(self) -> list[Stored | Promoted]:
        """All parameters of this very model, in the order `forward` receives them."""
        return [slot for _, slots in self._parameter_slots for slot in slots]

    # -- evaluating ------------------------------------------------------------------------------------------

    def evaluate(self, state: Mapping[str, TensorWrapper]) -> dict[str, TensorWrapper]:
        """The outputs by variable name, from the inputs in `state` by variable name. `state` is not written
        to."""
        try:
            arguments: list[Any] = []
            for variable in self._inputs:
                name = variable.name
                if name is None:
                    arguments.append(None)
                elif isinstance(name, str):
                    arguments.append(state[name])
                else:
                    arguments.append(tuple(state[item] for item in name))
            for declaration, slots in self._parameter_slots:
                arguments += declaration.arguments([self._parameter(slot, state) for slot in slots])
        except KeyError as error:
            raise MissingInput(f"{self!r} needs the input {error}; given are: {listing(state)}") from None
        return self._results(self.forward(*arguments))

    def _results(self, found: Any) -> dict[str, TensorWrapper]:
        """What `forward` returned, by the names of the outputs. Raises TypeError where it is something else."""
        values = found if isinstance(found, tuple) else (found,)
        expected = self.output_spec
        if len(values) == len(expected) and all(map(isinstance, values, expected.values())):
            return dict(zip(expected, values, strict=True))
        returned = ", ".join("None" if v is None else type(v).__name__ for v in values)
        wanted = ", ".join(f"{name}: {type_.__name__}" for name, type_ in expected.items())
        hint = ""
        if any(isinstance(v, torch.Tensor) for v in values):
            hint = f"; wrap a tensor in its type: {next(iter(expected.values())).__name__}(x)"
        elif isinstance(found, list):
            hint = "; return a tuple"
        elif found is None:
            hint = "; is there a return?"
        place = place_of(type(self).forward)
        raise TypeError(f"{place}forward of {self!r} returned ({returned}), expected ({wanted}){hint}")

    def _parameter(self, slot: Stored | Promoted, state: Mapping[str, TensorWrapper]) -> Any:
        if isinstance(slot, Promoted):
            return state[slot.variable]
        return slot.type(getattr(self, slot.name), sub_batch_ndim=slot.sub_batch_ndim)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate with inputs given in the order of `input_spec`, or by name; typed values or raw tensors.

        Returns the output, or a tuple of them in the order of `output_spec`. Raises TypeError for a
        missing, unknown or wrongly typed input, ValueError for a wrong trailing shape.
        """
        values = tuple(self.evaluate(self.bind(args, kwargs)).values())
        return values[0] if len(values) == 1 else values

    def bind(self, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, TensorWrapper]:
        """Typed inputs by variable name, from positional and named ones."""
        names = list(self.input_spec)
        if len(args) > len(names):
            raise TypeError(f"{self!r} takes {len(names)} inputs ({listing(names)}), {len(args)} are given")
        state = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in self.input_spec:
                hint = suggestion(name, names) or f"; it has: {listing(names)}"
                raise TypeError(f"{self!r} has no input '{name}'{hint}")
            if name in state:
                raise TypeError(f"{self!r}: input '{name}' is given twice")
            state[name] = value
        missing = [name for name in names if name not in state]
        if missing:
            raise TypeError(f"{self!r}: missing input{'s' * (len(missing) > 1)} {listing(missing)}")
        return {name: self.typed(name, state[name], self.input_spec[name]) for name in names}

    def typed(self, name: str, value: Any, type_: Any) -> TensorWrapper:
        """`value` as the type of variable `name`."""
        if isinstance(value, type_):
            return value
        if isinstance(value, TensorWrapper):
            raise TypeError(f"{self!r}: '{name}' must be a {type_.__name__}, not a {type(value).__name__}")
        if not isinstance(value, torch.Tensor | int | float):
            kind = type(value).__name__
            raise TypeError(f"{self!r}: '{name}' must be a {type_.__name__} or a torch.Tensor, not a {kind}")
        data = torch.as_tensor(value, dtype=None if isinstance(value, torch.Tensor) else torch.float64)
        base = tuple(type_.BASE_SHAPE)
        if tuple(data.shape[max(data.ndim - len(base), 0) :]) != base:
            shape = tuple(data.shape)
            raise ValueError(f"{self!r}: '{name}' must have a shape that ends in {base}, got {shape}")
        return type_(data)

    def jvp(self, inputs: Mapping[str, Any], tangents: Mapping[str, Any]) -> tuple[dict, dict]:
        """Outputs, and their derivative in the direction `tangents` (inputs left out stay as they are), by
        name."""
        return jvp(self, self.bind((), inputs), tangents)

    def jacobian(self, inputs: Mapping[str, Any]) -> tuple[dict, dict[str, dict[str, torch.Tensor]]]:
        """Outputs by name, and `J[output][input]` of shape (*B, *out_base, *in_base), B the batch shape of
        the inputs.

        Where values have sub-batch axes these stand before the base axes: (*B, *out_sub, *out_base,
        *in_sub, *in_base).
        """
        return jacobian(self, self.bind((), inputs))

    # -- looks -----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        label = f"'{self.name}': " if self.name else ""
        return f"{type(self).__name__}({label}{_short(self.input_spec)} -> {_short(self.output_spec)})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "source": None, "block": None}

    def named_modules(self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True) -> Iterator:
        """Every model once, by the first path to it, whatever `remove_duplicate` says.

        A model that several others share has one set of parameters. torch.func.functional_call would take each path for
        a set of its own that is tied to the others, and put back the last of them as it had found it: replaced.
        """
        return super().named_modules(memo, prefix, True)

    def add_child(self, model: torch.nn.Module, name: str, fallback: str) -> None:
        """Register a child under its block's name, which then stands in the qualified names of its
        parameters."""
        usable = name.isidentifier() and not hasattr(self, name)
        self.add_module(name if usable else fallback, model)

    def setup(self) -> None:
        """Check and complete the model once variables and parameters are there."""


def _short(names: Mapping[str, Any], limit: int = 6) -> str:
    return listing(names, limit) if names else "()"
