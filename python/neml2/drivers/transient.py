# SPDX-License-Identifier: MIT
"""A model driven step by step along prescribed histories."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..equations.finite import NOT_FINITE, not_finite
from ..errors import listing, suggestion
from ..hit import HitObject, Option, OptionFamily, Reference, TensorOption, base_name, lag, register
from ..solvers.convergence import ConvergenceError
from ..types import Scalar, TensorWrapper
from . import storing
from .compiled import Route, route
from .driven import warn_if_undriven
from .progress import Progress
from .results import Results
from .values import TYPES, check_numbers, named_values, renamed, with_declared_sub_batch

State = dict[str, TensorWrapper]


@register("TransientDriver")
class TransientDriver(HitObject):
    """Evaluates `model` at every step but the first, with prescribed variables, and its own outputs as history.

    The leading axis of `prescribed_time` and of each prescribed value counts the steps. At step s an input `x~k`
    is `x` of step s - k: an output if the model provides x, else an input. Inputs nothing is known of are zero;
    those that stay so are named in a warning.
    Initial conditions are values at step 0. Times are finite and do not decrease; NaN is refused everywhere. `save_as`
    is relative to the folder of the input file and written by its ending (.pt, .npz, .csv, .h5); only regular files are
    written over, and none that the input reads.
    """

    SECTION = "Drivers"

    model: Any = Reference("Models")
    prescribed_time: Scalar = TensorOption(Scalar)
    time: str = Option(str, "t")
    save_as: str = Option(str, "")
    prescribed_names = OptionFamily("prescribed_{}_names", list[str], TYPES, default=())
    prescribed_values = OptionFamily("prescribed_{}_values", list[str], TYPES, default=())
    ic_names = OptionFamily("ic_{}_names", list[str], TYPES, default=())
    ic_values = OptionFamily("ic_{}_values", list[str], TYPES, default=())

    def setup(self) -> None:
        if not isinstance(self.prescribed_time, TensorWrapper):
            self.prescribed_time = Scalar(self.prescribed_time)
        self._check_times()
        if self.time not in self.model.input_spec and (hint := renamed(self.model, self.time)):
            raise self.error(f"there is no time '{self.time}'{hint}", "time")
        self.prescribed = self._prescribed()
        self.initial = self._initial()
        self._check_settings()
        warn_if_undriven(self)
        self.inputs: list[State] = []
        self.outputs: list[State] = []
        self.note = ""
        self._route = Route(self.model)

    @property
    def route(self) -> str:
        """How the last run evaluated the model, in words; empty where there was no choice."""
        return self._route.text

    @property
    def steps(self) -> int:
        """Number of steps, the initial one included."""
        return self.prescribed_time.data.shape[0]

    @property
    def given(self) -> State:
        """Prescribed and initial values by variable name; those prescribed have a leading axis of steps."""
        return {**self.initial, **self.prescribed}

    # -- checks ----------------------------------------------------------------------------------------------

    def _check_times(self) -> None:
        time = self.prescribed_time
        if time.batch_ndim == 0:
            raise self.error("has no axis of steps; expected shape (steps, ...)", "prescribed_time")
        if self.steps < 2:
            text = f"has {self.steps} steps; expected the initial one, and one or more at which the model is evaluated"
            raise self.error(text, "prescribed_time")
        data = time.data.detach()
        if data.dtype.is_complex or data.dtype == torch.bool:
            raise self.error(f"times have dtype {data.dtype}; expected real numbers", "prescribed_time")
        rows = data.reshape(self.steps, -1).cpu()
        lost = ~torch.isfinite(rows)
        back = torch.zeros_like(lost)
        back[1:] = rows[1:] < rows[:-1]
        for wrong, text in ((lost, "is {now}"), (back, "goes back from {before} to {now}")):
            if wrong.any():
                step, point = torch.nonzero(wrong)[0].tolist()
                place = f" at point {point}" if rows.shape[1] > 1 else ""
                text = text.format(now=f"{rows[step, point]:g}", before=f"{rows[max(step - 1, 0), point]:g}")
                wanted = "times must be finite and must not decrease"
                raise self.error(f"the time of step {step} {text}{place}; {wanted}", "prescribed_time")

    def _prescribed(self) -> State:
        found = named_values(self, "prescribed", self.prescribed_names, self.prescribed_values)
        for name, value in found.items():
            option = f"prescribed_{type(value).__name__}_names"
            self._check_variable(name, value, self.model.input_spec, "input", option)
            length = value.data.shape[0] if value.batch_ndim else None
            if length != self.steps:
                text = (
                    f"the value of '{name}' has shape {tuple(value.data.shape)}; "
                    f"its leading axis must have {self.steps} steps, as prescribed_time"
                )
                raise self.error(text, option.replace("_names", "_values"))
            check_numbers(self, name, value, option.replace("_names", "_values"), steps=True)
            with_declared_sub_batch(self, name, value, option.replace("_names", "_values"), 1)
        return found

    def _initial(self) -> State:
        found = named_values(self, "ic", self.ic_names, self.ic_values)
        spec = {**self.model.output_spec, **self.model.input_spec}
        for name, value in found.items():
            option = f"ic_{type(value).__name__}_names"
            self._check_variable(name, value, spec, "input or output", option)
            check_numbers(self, name, value, option.replace("_names", "_values"))
            with_declared_sub_batch(self, name, value, option.replace("_names", "_values"))
        return found

    def _check_variable(self, name: str, value: TensorWrapper, spec: Mapping[str, Any], what: str, option: str) -> None:
        if name not in spec:
            hint = renamed(self.model, name) or suggestion(name, spec) or f"; there are: {listing(spec)}"
            raise self.error(f"'{name}' is no {what} of the model{hint}", option)
        if type(value) is not spec[name]:
            text = f"'{name}' is a {spec[name].__name__} of the model, not a {type(value).__name__}"
            raise self.error(text, option)

    def _check_settings(self) -> None:
        """A declared variable must exist somewhere in the driven model."""
        if self.source is None or not isinstance(self.model, torch.nn.Module):
            return  # the inner variables of a compiled model are not to be seen
        parts = list(self.model.modules())
        children = [child for part in parts for child in getattr(part, "children_in_order", ())]
        if not all(isinstance(child, torch.nn.Module) for child in children):
            return
        known = {
            base_name(name)
            for part in parts
            for name in (*getattr(part, "input_spec", ()), *getattr(part, "output_spec", ()))
        }
        settings = self.source.settings
        for name in settings.batch_shapes:
            if base_name(name) not in known:
                text = f"'{name}' is declared, but no model driven by [Drivers/{self.name}] has such a variable"
                error = self.error(text + suggestion(base_name(name), known))
                error = type(error)(error.text, settings.where.get(name, error.where))
                raise error

    # -- running ---------------------------------------------------------------------------------------------

    def run(
        self, progress: Progress | None = None, differentiable: bool = False, eager: bool = False
    ) -> dict[str, torch.Tensor]:
        """All steps; returns `result()`, and writes it to `save_as` if that is given.

        differentiable: results can be differentiated with respect to parameters, and to whatever was given and requires
        gradients: backward is one vjp a step. Outputs then have all axes of their step's batch. For a gradient in
        bounded memory see drivers.adjoint.
        eager: evaluate implicit models in PyTorch. Else they are compiled, natively, for this and later runs, and
        `route` says in words how the model was evaluated; what cannot be compiled is evaluated in PyTorch.
        When a step fails, what there is so far is saved all the same, and ConvergenceError names step, time and points.
        """
        target = self.target()
        differentiable = differentiable and torch.is_grad_enabled()
        self._route = route(self, eager, differentiable)
        self.inputs, self.outputs, self.note = [], [], ""
        if progress is not None:
            progress(0, self.steps - 1)
        with torch.set_grad_enabled(differentiable):
            for step in range(self.steps):
                self.inputs.append(self._inputs_at(step))
                self.outputs.append({})
                if step == 0:
                    self._start()
                    continue
                try:
                    self.outputs[step] = self._advance(step)
                except Exception as error:
                    self._failed(step, error, target, progress)
                    raise
                if progress is not None:
                    progress(step, self.steps - 1)
        if target is not None:
            self.save(target)
        return self.result()

    def _inputs_at(self, step: int) -> State:
        """Forces and, after the first step, histories."""
        state: State = {}
        if self.time in self.model.input_spec:
            state[self.time] = _at(self.prescribed_time, step)
        for name, value in self.prescribed.items():
            state[name] = _at(value, step)
        if step == 0:
            return state
        before_in, before_out = self.inputs[step - 1], self.outputs[step - 1]
        for name in self.model.input_spec:
            steps = lag(name)
            if steps == 0 or name in state:
                continue
            earlier = base_name(name) if steps == 1 else f"{base_name(name)}~{steps - 1}"
            if earlier in before_out:
                state[name] = before_out[earlier]
            elif earlier in before_in:
                state[name] = before_in[earlier]
        return state

    def _start(self) -> None:
        for name, value in self.initial.items():
            (self.inputs if name in self.model.input_spec else self.outputs)[0][name] = value

    def _advance(self, step: int) -> State:
        known = self.inputs[step]
        state = {
            name: with_declared_sub_batch(self, name, known[name]) if name in known else self._zero(name, known)
            for name in self.model.input_spec
        }
        return self._route.evaluate(state)

    def _zero(self, name: str, known: State) -> TensorWrapper:
        """Zero of base shape, with the sub-batch shape that is declared or that another lag of the variable has."""
        sub = self.source.settings.sub_batch_shape(name) if self.source is not None else None
        if sub is None:
            lags = [v for other, v in known.items() if base_name(other) == base_name(name) and v.sub_batch_ndim]
            sub = tuple(lags[0].sub_batch_shape) if lags else ()
        type_ = self.model.input_spec[name]
        like = self.prescribed_time.data
        dtype = like.dtype if like.dtype.is_floating_point else torch.float64
        data = torch.zeros((*sub, *type_.BASE_SHAPE), dtype=dtype, device=like.device)
        return type_(data, sub_batch_ndim=len(sub))

    def _failed(self, step: int, error: Exception, target: Path | None, progress: Any) -> None:
        if hasattr(progress, "close"):
            progress.close()
        points = [int(point[0]) for point in getattr(error, "points", ())]
        place = f"step {step} of {self.steps - 1}{self._time_label(step, points)}"
        why = str(error)
        if getattr(error, "recoverable", False) and NOT_FINITE not in why:
            why += not_finite(self.inputs[step])
        self.note = f"stopped at {place}: {why}"
        self.inputs.pop()
        self.outputs.pop()
        saved = ""
        if target is not None:
            try:
                self.save(target)
                saved = f"; the result up to step {step - 1} is in {target}"
            except OSError as lost:  # must not hide why the run stopped
                saved = f"; the result up to step {step - 1} is in memory only: {lost}"
        if getattr(error, "recoverable", False):
            text = f"driver '{self.name}', {place}: {why}{saved}"
            raise ConvergenceError(text, list(getattr(error, "points", ()))) from error
        if hasattr(error, "add_note"):
            error.add_note(f"in driver '{self.name}', {place}{saved}")

    def _time_label(self, step: int, points: list[int]) -> str:
        time = self.prescribed_time.data[step]
        if time.numel() == 1:
            return f" (time {time.item():g})"
        if points and math.prod(time.shape) > points[0]:
            return f" (time {time.flatten()[points[0]].item():g} at point {points[0]})"
        return ""

    # -- results ---------------------------------------------------------------------------------------------

    def result(self) -> dict[str, torch.Tensor]:
        """`input.<step>.<name>`, then `output.<step>.<name>`, as raw tensors."""
        flat: dict[str, torch.Tensor] = {}
        for kind, states in (("input", self.inputs), ("output", self.outputs)):
            for step, state in enumerate(states):
                for name, value in state.items():
                    flat[f"{kind}.{step}.{name}"] = value.data
        return flat

    @property
    def results(self) -> Results:
        """The history so far by variable and component, in NumPy arrays and as a pandas frame; step 0 is the initial
        state. See Results."""
        return Results(self)

    def save(self, path: str | os.PathLike) -> None:
        """Write the results by the ending of `path`. `.pt`, or none: `result()` with torch.save, to be read with
        weights_only; `.npz`, `.h5`: the arrays of `results`; `.csv`: its columns, a row for each step and point. A key
        `note`, in a CSV file a last line, says why a run stopped early.

        The file is there whole or not at all. Raises OSError, with the path and what to do.
        """
        path = Path(path)
        if why := storing.refusal(path, self.source):
            raise self.error(why, "save_as")
        storing.save(self, path)

    def target(self) -> Path | None:
        """Where to save, checked before a long run."""
        if not self.save_as:
            return None
        target = Path(self.save_as)
        if self.source is not None:
            target = self.source.directory / target
        if why := storing.refusal(target, self.source):
            raise self.error(why, "save_as")
        return target

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> TransientDriver:
        """Move histories, initial values and a native model to a device and floating dtype."""

        def moved(value: TensorWrapper) -> TensorWrapper:
            return value.to(device=device, dtype=dtype if value.data.is_floating_point() else None)

        self.prescribed_time = moved(self.prescribed_time)
        self.prescribed = {name: moved(value) for name, value in self.prescribed.items()}
        self.initial = {name: moved(value) for name, value in self.initial.items()}
        if isinstance(self.model, torch.nn.Module):
            self.model.to(device=device, dtype=dtype)
        return self


def _at(value: TensorWrapper, step: int) -> TensorWrapper:
    return type(value)(value.data[step], sub_batch_ndim=value.sub_batch_ndim)
