# SPDX-License-Identifier: MIT
"""Compiling a model of an input file into a package.

input file -> model                                       neml2.hit, neml2.models
model -> sequence of pieces over variables                frontend/partition.py
sequence -> layout of the interface                       plan/layout.py
sequence, layout -> captured segments, one point graph    plan/segments.py, with frontend/capture.py, frontend/aten/
captured segments -> plan of state and kernels            plan/build.py, with plan/sensitivities.py

and then, for the backend `aoti`,

kernels -> shared objects -> package                      backends/aoti/

or, for the backend `native`,

captured segments -> program of the whole model           backends/native/lower.py, with graph/assemble.py
program -> one kernel -> package                          backends/native/
program -> one kernel -> law for hosts                    backends/native/interfaces/

Each stage makes one value, which no later one changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neml2.compiler.package.contents import Progress
from neml2.errors import listing, suggestion

if TYPE_CHECKING:
    import torch

    from neml2.compiler.frontend.rename import Names
    from neml2.compiler.graph.program import Program
    from neml2.compiler.plan.layout import Request
    from neml2.compiler.plan.plan import Plan
    from neml2.compiler.plan.segments import Captured
    from neml2.hit.input_file import InputFile
    from neml2.models import Model


class CompileError(ValueError):
    """A request that cannot be compiled; the message is for the user."""


@dataclass
class Options:
    """What the command line can say."""

    model: str
    output_dir: Path = Path("aoti")
    devices: Sequence[str] = ("cpu",)
    dtype: str = "float64"
    parameters: Sequence[str] = ()
    derivatives: Sequence[str] = ()
    isa: Sequence[str] = ()
    jobs: int | None = None
    backend: str = "aoti"
    sub_batch: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Sub-batch shapes of variables that [Settings] does not declare."""
    rename_inputs: Sequence[str] = ()
    rename_outputs: Sequence[str] = ()
    rename_parameters: Sequence[str] = ()
    interfaces: Sequence[str] = ()
    """Of hosts, in place of a package: names of backends.native.interfaces."""
    law: str | None = None
    """What these hosts call the model; default: as the input file."""
    source: bool = False
    """Whether to write the source of a law beside it."""


@dataclass
class Result:
    """What was written: the stub, and the metadata file of each device; or the files of a law."""

    stub: Path
    folder: Path
    metadata: dict[str, Path] = field(default_factory=dict)
    promoted: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    implicit: int = 0
    law: list[Path] = field(default_factory=list)


def compile_input(source: InputFile, options: Options, progress: Progress = lambda *_: None) -> Result:
    """Compile one model of `source`. Raises CompileError, and what reading the input file raises."""
    import torch

    torch.set_num_threads(1)  # the processes that compile are forked from this one
    model = find_model(source, options.model)
    for device in options.devices:
        check_device(device)
    levels = check_isa(options)
    check_interfaces(options)
    check_compiler()
    with output_folder(options.output_dir, options.model) as folder:
        return _compile(source, model, options, levels, folder, progress)


def _compile(
    source: InputFile, model: Model, options: Options, levels: Sequence[str], folder: Path, progress: Progress
) -> Result:
    import torch

    from neml2.compiler.frontend import rename
    from neml2.compiler.package import stub
    from neml2.compiler.plan.build import plan_of
    from neml2.compiler.plan.layout import Request

    parameters = [name for name, _ in model.named_parameters()]
    check_numbers(model)
    promoted = list(dict.fromkeys(parameter(name, parameters) for name in options.parameters))
    names = boundary_names(model, promoted, options)
    derivatives = [*options.derivatives, *interface_pairs(model, names, options)]
    pairs = expand_pairs(derivatives, model, promoted, parameters, names)
    request = Request(promoted, pairs, {**options.sub_batch, **sub_batch_shapes(source, model)})
    captured, program = LOWER[options.backend](model, request, getattr(torch, options.dtype))
    plan = rename.renamed_plan(plan_of(captured, kernels=program is None), names)
    if options.interfaces:
        law = _write_law(rename.renamed_program(program, names), options, folder / "law", levels, progress)
        return Result(
            Path(), folder, {}, promoted, pairs, sum(s.metadata()["kind"] == "implicit" for s in plan.segments), law
        )
    result = Result(folder.parent / f"{options.model}_aoti.i", folder, {}, promoted, pairs)
    asked = [options.model, options.dtype, promoted, pairs, levels, options.backend, request.sub_batch]
    extra: dict[str, Any] = {"input": {"file": os.fsencode(source.path.name).decode(errors="replace")}}
    if names:
        extra["renamed"] = names.metadata()
        asked.append(extra["renamed"])
    identity = extra["identity"] = stub.identity(source, *asked)
    result.implicit = sum(s.metadata()["kind"] == "implicit" for s in plan.segments)
    for device in options.devices:
        result.metadata[device] = BACKENDS[options.backend](
            plan,
            program and rename.renamed_program(program, names),
            folder / device,
            device,
            levels,
            options,
            extra,
            progress,
        )
    _write_stub(result, stub.text(source, options.model, folder.resolve(), identity))
    return result


def _lower_aoti(model: Model, request: Request, dtype: torch.dtype) -> tuple[Captured, None]:
    from neml2.compiler.plan.segments import capture_model

    return capture_model(model, request, dtype), None


def _lower_native(model: Model, request: Request, dtype: torch.dtype) -> tuple[Captured, Program]:
    from neml2.compiler.backends.native.lower import lowered

    return lowered(model, request, dtype)


LOWER: dict[str, Callable[[Model, Request, torch.dtype], tuple[Captured, Program | None]]] = {
    "aoti": _lower_aoti,
    "native": _lower_native,
}
"""Name -> captured segments, and of a backend that makes one kernel of all of them, its program."""


def _write_aoti(
    plan: Plan, program: None, folder: Path, device: str, levels: Sequence[str], options: Options,
    extra: dict[str, Any], progress: Progress,
) -> Path:  # fmt: skip
    from neml2.compiler.backends.aoti import package
    from neml2.compiler.backends.aoti.inductor import Target

    return package.write(plan, folder, Target(device, options.dtype, levels[0]), extra, _jobs(options), progress)


def _write_native(
    plan: Plan, program: Program, folder: Path, device: str, levels: Sequence[str], options: Options,
    extra: dict[str, Any], progress: Progress,
) -> Path:  # fmt: skip
    from neml2.compiler.backends.native import package

    return package.write(plan, program, folder, levels, options.dtype, extra, _jobs(options), progress)


def _write_law(
    program: Program, options: Options, folder: Path, levels: Sequence[str], progress: Progress
) -> list[Path]:
    from neml2.compiler.backends.native.interfaces import write
    from neml2.compiler.backends.native.interfaces.law import InterfaceError

    scalar = {"float64": "double", "float32": "float"}[options.dtype]
    name = options.law or options.model
    try:
        return write.write(program, name, options.interfaces, folder, levels, scalar, options.source, progress)
    except InterfaceError as error:
        raise CompileError(f"--interface {' '.join(options.interfaces)}: {error}") from None


BACKENDS = {"aoti": _write_aoti, "native": _write_native}
"""Name -> what writes the package of one device into a folder and returns its metadata file."""


def _jobs(options: Options) -> int:
    return options.jobs or len(os.sched_getaffinity(0))


def _write_stub(result: Result, text: str) -> None:
    temporary = result.stub.with_name(f".{result.stub.name}.{os.getpid()}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.rename(result.stub)
    except OSError as error:
        raise CompileError(f"cannot write {result.stub}: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


# ---- checking a request ----------------------------------------------------------------------------------------------


def find_model(source: InputFile, name: str) -> Model:
    """The model of block [Models/name]."""
    if not source.has("Models", name):
        there = source.names("Models")
        hint = suggestion(name, there) or f"; there are: {listing(there)}"
        raise CompileError(f"{source.path}: no model '{name}' in [Models]{hint}")
    return source.get_model(name)


def known(name: str, names: Sequence[str], kind: str, have: str) -> str:
    """`name` if it is one of `names`."""
    if name not in names:
        hint = suggestion(name, names) or ""
        raise CompileError(f"no {kind} '{name}'{hint}; {have}: {listing(names) if names else 'none'}")
    return name


def parameter(name: str, names: Sequence[str]) -> str:
    """The parameter that `name` means: its qualified name, or the end of one behind a dot."""
    from neml2.compiler.frontend.rename import ends_with

    meant = ends_with(name, names)
    if len(meant) > 1:
        raise CompileError(f"-p {name}: this can be any of {listing(meant)}; give more of the name")
    return meant[0] if meant else known(name, names, "parameter", "it can promote")


def boundary_names(model: Model, promoted: Sequence[str], options: Options) -> Names:
    """What the package calls the variables and parameters that its user sees."""
    from neml2.compiler.frontend import rename

    inputs, outputs = list(model.input_spec), list(model.output_spec)
    asked = (options.rename_inputs, options.rename_outputs, options.rename_parameters)
    try:
        return rename.names(inputs, outputs, promoted, *asked)
    except rename.RenameError as error:
        raise CompileError(str(error)) from None


def check_numbers(model: Model) -> None:
    """Raises CompileError for a parameter or buffer that holds NaN. Infinity can be meant."""
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if value.is_floating_point() and value.isnan().any():
            raise CompileError(f"'{name}' of '{model.name}' holds NaN, expected numbers")


def expand_pairs(
    texts: Sequence[str], model: Model, promoted: Sequence[str], parameters: Sequence[str], names: Names
) -> list[tuple[str, str]]:
    """`OUT:IN` with open sides, in the package's names -> (output, input) pairs in those of the model. An open input
    side means all inputs, not parameters; of a parameter, the end of its name behind a dot is enough."""
    from neml2.compiler.frontend.rename import ends_with

    outputs = {names.outputs.get(name, name): name for name in model.output_spec}
    given = {names.inputs.get(name, name): name for name in model.input_spec}
    mutable = {names.parameters.get(name, name): name for name in promoted}
    pairs: dict[tuple[str, str], None] = {}
    for text in texts:
        out, colon, name = text.partition(":")
        if not colon:
            raise CompileError(f"-d {text}: expected OUT:IN, with either side left out to mean all")
        for side, new in ((out, names.outputs), (name, names.given)):
            if side in new and side not in (outputs if side is out else {**given, **mutable}):
                raise CompileError(f"-d {text}: '{side}' is renamed; call it '{new[side]}' here too")
        meant = [name] if name in given else ends_with(name, list(mutable)) if name else []
        if len(meant) > 1:
            raise CompileError(f"-d {text}: '{name}' can be any of {listing(meant)}; give more of the name")
        if name and not meant and ends_with(name, parameters):
            raise CompileError(f"-d {text}: '{name}' is a baked parameter; promote it too: -p {name}")
        chosen_out = [known(out, list(outputs), "output", f"-d {text}: outputs are")] if out else list(outputs)
        chosen_in = list(given)
        if name:
            chosen_in = meant or [known(name, [*given, *mutable], "input", f"-d {text}: inputs are")]
        pairs.update(dict.fromkeys((outputs[o], {**mutable, **given}[i]) for o in chosen_out for i in chosen_in))
    return list(pairs)


def check_device(device: str) -> None:
    """Raises CompileError where this torch cannot compile for `device`."""
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise CompileError(f"--device {device}: no such device; expected cpu or cuda") from None
    if kind == "cuda" and not torch.cuda.is_available():
        why = "was built without CUDA" if torch.version.cuda is None else "finds no CUDA device"
        raise CompileError(f"--device {device}: this torch ({torch.__version__}) {why}; compile where the GPU is")
    if kind not in ("cpu", "cuda"):
        raise CompileError(f"--device {device}: packages are made for cpu and cuda only")


def check_isa(options: Options) -> list[str]:
    """The instruction sets to compile for, by their names in isa.LEVELS."""
    from neml2.compiler.package import isa

    if options.backend == "native" and any(d != "cpu" for d in options.devices):
        raise CompileError("--backend native: kernels run on the device cpu only")
    chosen = [isa.best() if name == "native" else name for name in options.isa or ("native",)]
    for name in chosen:
        known(name, list(isa.LEVELS), "instruction set", "--isa can be native or")
    if options.backend != "native" and len(set(chosen)) > 1:
        raise CompileError("--isa: packages of the backend aoti are made for one instruction set")
    return list(dict.fromkeys(chosen))


def check_interfaces(options: Options) -> None:
    """Raises CompileError where options of a law go with a package, or the other way round."""
    from neml2.compiler.backends.native.interfaces import law

    if options.interfaces and options.backend != "native":
        raise CompileError("--interface: laws for hosts are native code: --backend native")
    if not options.interfaces and (options.law or options.source):
        raise CompileError("--law and --source: they belong to --interface")
    if options.interfaces:
        try:
            law.check_name(options.law or options.model)
        except law.InterfaceError as error:
            raise CompileError(str(error)) from None


def interface_pairs(model: Model, names: Names, options: Options) -> list[str]:
    """The derivatives that hosts need: of stress by strain."""
    from neml2.compiler.backends.native.interfaces import law

    if not set(options.interfaces) - {"c"}:
        return []
    inputs = [names.inputs.get(n, n) for n in model.input_spec]
    outputs = [names.outputs.get(n, n) for n in model.output_spec]
    try:
        return [":".join(law.stress_and_strain(inputs, outputs))]
    except law.InterfaceError as error:
        raise CompileError(f"--interface {' '.join(options.interfaces)}: {error}") from None


def check_compiler() -> None:
    """Raises CompileError where there is no C++ compiler."""
    import shutil

    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise CompileError(f"no C++ compiler: '{compiler}' is not on the PATH; install g++ or set CXX")


@contextmanager
def output_folder(output_dir: Path, model: str) -> Iterator[Path]:
    """The folder of the packages, `<output_dir>/<model>`, made if it is missing; where the work fails, folders that
    were made and are empty go again."""
    folder = output_dir / model
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CompileError(f"--output-dir {output_dir}: cannot write to {folder}: {error.strerror}") from None
    try:
        yield folder
    except BaseException:
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise


def sub_batch_shapes(source: InputFile, model: Model) -> dict[str, tuple[int, ...]]:
    """Sub-batch shapes that [Settings] declares for the inputs of `model`."""
    shapes = {name: source.settings.sub_batch_shape(name) for name in model.input_spec}
    return {name: tuple(shape) for name, shape in shapes.items() if shape}
