# SPDX-License-Identifier: MIT
"""A compiled model in an input file: `type = AOTIModel` in the place of the model it was compiled from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import neml2.types

from ..errors import InvalidModel, InvalidOption, UnknownBlock, nearest
from ..hit import HitObject, Option, register
from ..hit.compiled import given_parameters
from ..locate import package_files
from ..solvers import Newton


@register("AOTIModel")
class AOTIModel(HitObject):
    """Behaves like the model it was compiled from, and runs the package's kernels.

    Called with inputs in the order of `input_spec` or by name; always returns a tuple, in the order of `output_spec`.
    Further options of the block give promoted parameters other values. `_inner` is the bare `neml2.aoti.Model`;
    `renamed` says what variables of the input file are called in the package, where that is something else. A
    ComposedModel may list it. PyTorch differentiates it by the pairs that it was compiled with.
    """

    SECTION = "Models"
    STRICT = False
    priority = 0
    providers = ()  # promoted parameters are in the package

    artifact_path: str = Option(str)
    package: str = Option(str, default="")
    input_directory: str = Option(str, default="")
    made_from: list[str] = Option(list[str], default=())

    def setup(self) -> None:
        import torch

        from . import Model

        device = torch.get_default_device().type
        path = self._metadata(device)
        metadata = json.loads(path.read_text())
        self._inner = Model(path, self._solvers(metadata))
        self.input_spec = {v["name"]: getattr(neml2.types, v["type"]) for v in metadata["inputs"]}
        self.output_spec = {v["name"]: getattr(neml2.types, v["type"]) for v in metadata["outputs"]}
        renamed = metadata.get("renamed", {})
        self.renamed = {**renamed.get("inputs", {}), **renamed.get("outputs", {})}
        self._pairs = {(d["output"], d["input"]) for d in metadata["derivatives"]}
        self._sub = {v["name"]: len(v["sub_batch_shape"]) for v in metadata["outputs"]}
        self._parameters = dict(self._inner.named_parameters().items())
        if self.block is not None:
            parameters = self._inner.named_parameters()
            given = given_parameters(self.block, {name: value.numel() for name, value in parameters.items()})
            for name, numbers in given.items():
                value = parameters[name]
                value.copy_(value.new_tensor(numbers).reshape(value.shape if len(numbers) > 1 else ()))

    def _solvers(self, metadata: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Options of the solvers of the package that the input file has in [Solvers], which replace those in the
        package; read, and refused, as they are when a model is compiled."""
        used = [segment["solver"] for segment in metadata["segments"] if segment.get("solver")]
        found = {}
        for solver in used if self.source is not None else ():
            name = solver.get("block")
            if not name or not self._has_solver(name):
                continue
            block, given = self.source.block("Solvers", name), self.source.get_solver(name)
            settings = given.settings() if isinstance(given, Newton) else {"type": type(given).__name__}
            if settings["type"] != solver["type"]:
                text = f"the model was compiled with {solver['type']}; to change that, compile it again"
                raise InvalidOption(text, block.require("type").where)
            found[name] = {option: str(value) for option, value in settings.items() if option in block.fields()}
        return found

    def _has_solver(self, name: str) -> bool:
        """Whether the input file has this solver. A near one that nothing refers to counts as misspelt."""
        if self.source.has("Solvers", name):
            return True
        for other, block in self.source.blocks("Solvers").items():
            sections = ("Models", "Drivers", "EquationSystems")
            if nearest(name, [other]) and not self.source.mentions(other, sections, besides=block.where):
                raise UnknownBlock(f"no block '{name}' in [Solvers]; is this meant to be it?", block.where)
        return False

    def _metadata(self, device: str) -> Path:
        stub = self.source.path if self.source is not None else Path.cwd() / "-"
        there = package_files(stub, self.artifact_path, self.package, self.name)
        for path in there:
            if path.parent.name == device:
                return path
        if there:
            names = sorted({path.parent.name for path in there})
            text = f"the package is compiled for {', '.join(names)}, not for {device}; compile with --device {device}"
        else:
            text = f"no package at {stub.parent / self.artifact_path}, nor beside the input file; run neml2-compile"
        raise self.error(text, "artifact_path")

    def evaluate(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name, from inputs by name; typed values. `state` is not written to. Raises InvalidModel where
        something else is to be compiled with this model in it."""
        inputs = {name: state[name].data for name in self.input_spec}
        followed = self._is_followed(inputs.values())
        return self._typed(self._inner.forward(inputs) if followed else self._inner.forward_natural(inputs))

    def _is_followed(self, values: Iterable[Any]) -> bool:
        """Whether PyTorch differentiates or maps the call."""
        import torch
        from torch._C._functorch import is_functorch_wrapped_tensor
        from torch.autograd.forward_ad import unpack_dual
        from torch.utils._python_dispatch import _get_current_dispatch_mode

        if _get_current_dispatch_mode() is not None:
            text = "cannot become part of another compiled model; compile from the input file it was made from"
            raise self.error(f"the compiled model '{self.name}' {text}", kind=InvalidModel)
        recorded = torch.is_grad_enabled() and any(
            x.requires_grad for x in (*values, *self._inner.named_parameters().values())
        )
        return recorded or any(is_functorch_wrapped_tensor(x) or unpack_dual(x).tangent is not None for x in values)

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        names = list(self.input_spec)
        if len(args) > len(names):
            raise TypeError(f"{self.name!r} takes {len(names)} inputs ({', '.join(names)}), {len(args)} are given")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        inputs = {name: _raw(value) for name, value in given.items()}
        return tuple(self._typed(self._traced(inputs) if _is_traced() else self._inner.forward(inputs)).values())

    def _traced(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The same for torch.compile, which does not see what is compiled already: parameters that require gradients
        are those that there were first."""
        from ..torch_operators import apply

        values = {**inputs, **{name: p for name, p in self._parameters.items() if p.requires_grad}}
        key, numbers = self._known(tuple(values))
        return dict(zip(self.output_spec, apply(key, list(numbers), list(values.values())), strict=True))

    def _known(self, names: tuple[str, ...]) -> tuple[int, tuple[int, ...]]:
        """What operators know the model and its arguments by."""
        from .autograd import compiled

        found = compiled(self._inner)
        return found.key, tuple(found.arguments.index(name) for name in names)

    _known._dynamo_marked_constant = True  # type: ignore[attr-defined]  # see torch_operators

    def _typed(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: cls(outputs[name], sub_batch_ndim=self._sub[name]) for name, cls in self.output_spec.items()}

    def jvp(self, inputs: Mapping[str, Any], tangents: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Outputs, and the derivatives along `tangents` of those outputs and inputs that were compiled with `-d`; raw
        tensors by name. Without any such pair the second dictionary is empty."""
        values = {name: _raw(inputs[name]) for name in self.input_spec}
        pairs = self._pairs
        wanted = {name: _raw(t) for name, t in tangents.items() if any(name == i for _, i in pairs)}
        if not wanted:
            return self._inner.forward(values), {}
        outputs, slopes = self._inner.jvp(values, wanted)
        return outputs, {o: slopes[o] for o in slopes if any((o, i) in pairs for i in wanted)}

    def named_parameters(self) -> Mapping[str, Any]:
        """The promoted parameters; changing one in place changes the next call."""
        return self._inner.named_parameters()

    def __repr__(self) -> str:
        return "AOTIModel()"


def _raw(value: Any) -> Any:
    return value.data if isinstance(value, neml2.types.TensorWrapper) else value


def _is_traced() -> bool:
    import torch

    return torch.compiler.is_compiling()
