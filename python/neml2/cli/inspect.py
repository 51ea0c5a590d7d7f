# SPDX-License-Identifier: MIT
"""neml2-inspect: what a model of an input file, or of a compiled stub, takes and gives."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _common as common

if TYPE_CHECKING:
    from ..hit import InputFile

PROG = "neml2-inspect"
DESCRIPTION = """Show inputs, outputs, parameters and buffers of a model, with types, shapes and values.
FILE is an input file or the stub of a compiled model. Without MODEL, list the models of the file."""
EPILOG = """\
examples:
  neml2-inspect input.i                             the models of the file
  neml2-inspect input.i elasticity                  inputs, outputs, parameters of one
  neml2-inspect input.i elasticity --graph elasticity.dot
"""


def arguments() -> argparse.ArgumentParser:
    parser = common.parser(PROG, DESCRIPTION, EPILOG)
    common.add_file_arguments(parser)
    parser.add_argument("model", metavar="MODEL", nargs="?", help="name of a block in [Models]")
    common.add_overrides(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--graph", metavar="OUT.svg", help="draw MODEL instead: pieces, variables, unknowns (.svg, .pdf, .png or .dot)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_intermixed_args(argv)
    return common.run(PROG, lambda: command(options))


def command(options: argparse.Namespace) -> int:
    if options.model is not None and "=" in options.model:
        options.overrides, options.model = [options.model, *options.overrides], None
    source = common.load(options.file, options.overrides, options.load)
    if options.graph:
        return graph(source, options.model, Path(options.graph))
    if options.model is None:
        content = {"models": {name: source.type_of("Models", name) for name in source.names("Models")}}
    else:
        common.require(source, "Models", options.model)
        content = describe(source, options.model)
    print(json.dumps(content, indent=1) if options.json else text(content))
    return common.OK


def graph(source: InputFile, name: str | None, path: Path) -> int:
    from ._graph import draw

    if name is None:
        raise common.UsageError("--graph draws one model; name it after FILE")
    common.require(source, "Models", name)
    draw(source.get_model(name), path)
    print(f"{path}: drawing of '{name}'")
    return common.OK


def describe(source: InputFile, name: str) -> dict[str, Any]:
    """The model as plain data."""
    from ..hit.compiled import given_parameters

    if source.type_of("Models", name) == "AOTIModel":
        content = describe_package(name, metadata_file(source, name))
        promoted = {p["name"]: p for p in content["parameters"] if p["promoted"]}
        sizes = {name: math.prod(p["shape"]) for name, p in promoted.items()}
        for given, numbers in given_parameters(source.block("Models", name), sizes).items():
            promoted[given]["value"] = numbers if len(numbers) > 1 else numbers[0]
        return content
    model = source.get_model(name)
    return {
        "name": name,
        "type": source.type_of("Models", name),
        "inputs": [variable(n, t) for n, t in model.input_spec.items()],
        "outputs": [variable(n, t) for n, t in model.output_spec.items()],
        "parameters": parameters(model),
        "buffers": [tensor(n, value) for n, value in model.named_buffers()],
    }


def variable(name: str, type_: Any) -> dict[str, Any]:
    return {"name": name, "type": type_.__name__, "base_shape": list(type_.BASE_SHAPE)}


def parameters(model: Any) -> list[dict[str, Any]]:
    from ..equations.residual import parameter_slots

    types = {slot.name: slot.type.__name__ for slot in parameter_slots(model)}
    return [{**tensor(name, value), "type": types.get(name, "")} for name, value in model.named_parameters()]


def tensor(name: str, value: Any) -> dict[str, Any]:
    dtype = str(value.dtype).removeprefix("torch.")
    return {"name": name, "shape": list(value.shape), "dtype": dtype, "value": value.detach().cpu().tolist()}


# -- compiled models ---------------------------------------------------------------------------------------------


def metadata_file(source: InputFile, name: str) -> Path:
    """Metadata of a compiled model, for any one device, the CPU if there is one."""
    from ..locate import package_files

    block = source.block("Models", name)
    recorded, tie = block.require("artifact_path").text(), block.field("package")
    found = package_files(source.path, recorded, tie.text() if tie else "", name)
    if found:
        return min(found, key=lambda path: path.parent.name != "cpu")
    raise FileNotFoundError(f"{block.where}: no compiled package at {recorded}, nor beside {source.path}")


def describe_package(name: str, path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not the metadata of a compiled model: {error}") from None
    keys = ("backend", "device", "dtype", "isa", "versions")
    return {
        "name": name,
        "type": "AOTIModel",
        "metadata": str(path),
        **{key: meta[key] for key in keys if key in meta},
        "devices": sorted(p.parent.name for p in path.parent.parent.glob(f"*/{path.name}")),
        "inputs": [stored(entry) for entry in meta.get("inputs", ())],
        "outputs": [stored(entry) for entry in meta.get("outputs", ())],
        "parameters": [stored_parameter(entry, meta.get("dtype", "")) for entry in meta.get("parameters", ())],
        "buffers": [],
        "derivatives": [[pair["output"], pair["input"]] for pair in meta.get("derivatives", ())],
        "segments": [[part["kind"], part["name"]] for part in meta.get("segments", ())],
    }


def stored(entry: dict[str, Any]) -> dict[str, Any]:
    found = {key: entry[key] for key in ("name", "type", "base_shape")}
    return {**found, "sub_batch_shape": entry["sub_batch_shape"]} if entry.get("sub_batch_shape") else found


def stored_parameter(entry: dict[str, Any], dtype: str) -> dict[str, Any]:
    shape = [*entry.get("batch_shape", ()), *entry.get("sub_batch_shape", ()), *entry.get("base_shape", ())]
    value = entry["value"][0] if not shape and len(entry["value"]) == 1 else entry["value"]
    found = {"name": entry["name"], "shape": shape, "dtype": dtype, "value": value, "type": entry["type"]}
    return {**found, "promoted": bool(entry.get("promoted"))}


# -- text --------------------------------------------------------------------------------------------------------


def text(content: dict[str, Any]) -> str:
    if "models" in content:
        return "\n".join(["models:", *table([[n, t] for n, t in content["models"].items()])])
    lines = [f"{content['name']}: {content['type']}"]
    if "metadata" in content:
        versions = ", ".join(f"{key} {value}" for key, value in content.get("versions", {}).items())
        package = [["metadata", content["metadata"]], ["devices", " ".join(content["devices"])]]
        package += [[key, str(content[key])] for key in ("dtype", "isa") if key in content]
        lines += table([*package, ["built with", versions]])
    for kind in ("inputs", "outputs"):
        rows = [[v["name"], v["type"], shape(v["base_shape"], v.get("sub_batch_shape"))] for v in content[kind]]
        lines += [f"{kind}:", *(table(rows) or ["  none"])]
    for kind in ("parameters", "buffers"):
        rows = [
            [p["name"], p.get("type", ""), shape(p["shape"]), p["dtype"], short(p["value"]), promoted(p)]
            for p in content[kind]
        ]
        lines += [f"{kind}:", *(table(rows) or ["  none"])]
    if content.get("derivatives"):
        lines += ["derivatives:", *table([[out, ":", name] for out, name in content["derivatives"]])]
    return "\n".join(lines)


def promoted(parameter: dict[str, Any]) -> str:
    return "promoted" if parameter.get("promoted") else ""


def shape(base: Sequence[int], sub_batch: Sequence[int] | None = None) -> str:
    inner = ", ".join(str(n) for n in base)
    return f"({'; '.join(', '.join(map(str, part)) for part in (sub_batch, base))})" if sub_batch else f"({inner})"


def short(value: Any, limit: int = 48) -> str:
    shown = f"{value:g}" if isinstance(value, float) else json.dumps(value)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with aligned columns, indented."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


if __name__ == "__main__":
    sys.exit(main())
