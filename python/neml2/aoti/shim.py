# SPDX-License-Identifier: MIT
"""A compiled model in an input file: `type = AOTIModel` in the place of the model it was compiled from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import neml2.types

from ..hit import HitObject, Option, register
from ..hit.compiled import given_parameters


@register("AOTIModel")
class AOTIModel(HitObject):
    """Behaves like the model it was compiled from, and runs the package's kernels.

    Called with inputs in the order of `input_spec` or by name; always returns a tuple, in the order of `output_spec`.
    Further options of the block give promoted parameters other values. `_inner` is the bare `neml2.aoti.Model`.
    """

    SECTION = "Models"
    STRICT = False

    artifact_path: Path = Option(Path)
    input_directory: Path | None = Option(Path, default=None)
    made_from: list[str] = Option(list[str], default=())

    def setup(self) -> None:
        import torch

        from . import Model

        device = torch.get_default_device().type
        path = self._metadata(device)
        self._inner = Model(path, self._solvers())
        metadata = json.loads(path.read_text())
        self.input_spec = {v["name"]: getattr(neml2.types, v["type"]) for v in metadata["inputs"]}
        self.output_spec = {v["name"]: getattr(neml2.types, v["type"]) for v in metadata["outputs"]}
        self._pairs = {(d["output"], d["input"]) for d in metadata["derivatives"]}
        self._sub = {v["name"]: len(v["sub_batch_shape"]) for v in metadata["outputs"]}
        if self.block is not None:
            parameters = self._inner.named_parameters()
            given = given_parameters(self.block, {name: value.numel() for name, value in parameters.items()})
            for name, numbers in given.items():
                value = parameters[name]
                value.copy_(value.new_tensor(numbers).reshape(value.shape if len(numbers) > 1 else ()))

    def _solvers(self) -> dict[str, dict[str, str]]:
        """Options of the [Solvers] blocks of the input file, which replace those in the package."""
        if self.source is None:
            return {}
        blocks = self.source.blocks("Solvers").values()
        return {b.name: {name: field.text() for name, field in b.fields().items()} for b in blocks}

    def _metadata(self, device: str) -> Path:
        name = f"{self.name}_meta.json"
        folders = [Path(self.artifact_path)]
        if self.source is not None:  # the whole output folder may have been moved
            folders.append(self.source.directory / folders[0].name)
        for folder in folders:
            if (folder / device / name).is_file():
                return folder / device / name
        there = sorted({p.parent.name for folder in folders for p in folder.glob(f"*/{name}")})
        if there:
            text = f"the package is compiled for {', '.join(there)}, not for {device}; compile with --device {device}"
        else:
            text = f"no package at {folders[0]}, nor beside the input file; run neml2-compile"
        raise self.error(text, "artifact_path")

    def evaluate(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name, from inputs by name; typed values. `state` is not written to."""
        inputs = {name: state[name].data for name in self.input_spec}
        return self._typed(self._inner.forward_natural(inputs))

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        names = list(self.input_spec)
        if len(args) > len(names):
            raise TypeError(f"{self.name!r} takes {len(names)} inputs ({', '.join(names)}), {len(args)} are given")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        inputs = {name: getattr(value, "data", value) for name, value in given.items()}
        return tuple(self._typed(self._inner.forward(inputs)).values())

    def _typed(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: cls(outputs[name], sub_batch_ndim=self._sub[name]) for name, cls in self.output_spec.items()}

    def jvp(self, inputs: Mapping[str, Any], tangents: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Outputs, and the derivatives along `tangents` of those outputs and inputs that were compiled with `-d`; raw
        tensors by name. Without any such pair the second dictionary is empty."""
        values = {name: getattr(inputs[name], "data", inputs[name]) for name in self.input_spec}
        pairs = self._pairs
        wanted = {name: getattr(t, "data", t) for name, t in tangents.items() if any(name == i for _, i in pairs)}
        if not wanted:
            return self._inner.forward(values), {}
        outputs, slopes = self._inner.jvp(values, wanted)
        return outputs, {o: slopes[o] for o in slopes if any((o, i) in pairs for i in wanted)}

    def named_parameters(self) -> Mapping[str, Any]:
        """The promoted parameters; changing one in place changes the next call."""
        return self._inner.named_parameters()

    def __repr__(self) -> str:
        return "AOTIModel()"
