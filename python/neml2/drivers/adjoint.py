# SPDX-License-Identifier: MIT
"""The gradient of a transient history of a compiled model: the discrete adjoint.

Step s of a history evaluates y(s) = f(x(s), y(s - 1), ..., p), with forces x, the model's outputs y and parameters p.
Of an objective J, a sum of what each step contributes, the adjoints l(s) = dJ/dy(s) follow from the last step back: a
vjp of step s with l(s) gives what y(s - 1), x(s) and p get. It starts from the states of the history: all of them are
kept, or some, from which the others are computed again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..aoti import Model
from ..aoti.autograd import compiled
from ..errors import listing, suggestion
from ..hit import base_name, lag

Values = dict[str, Tensor]
Objective = Callable[[int, Values], Tensor]
"""What a step contributes to a scalar, from its number and the outputs, which PyTorch differentiates."""


class History:
    """A history of `model`, from step 0 on.

    forces: inputs that are prescribed, (steps + 1, *batch, *base) or with axes of the batch that are 1 or missing.
    start: outputs at step 0, (*batch, *base); `x~1` is x one step before. What is not given is zero, as all else that
        nobody knows.
    parameters: values of promoted parameters in place of the model's own.

    Raises ValueError for names and lengths that do not fit, and what calls of the model raise.
    """

    def __init__(
        self,
        model: Model,
        forces: Mapping[str, Tensor],
        start: Mapping[str, Tensor] | None = None,
        parameters: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.model = model
        self.forces, self.start, self.parameters = dict(forces), dict(start or {}), dict(parameters or {})
        self._inputs = {name: (base_name(name), lag(name)) for name in model.input_names}
        self._outputs = list(model.output_names)
        self._check()
        self.steps = next(iter(self.forces.values())).shape[0] - 1
        self.lags = max([1, *(k for base, k in self._inputs.values() if base in self._outputs)])
        self.carried = [y for y in self._outputs if any(b == y and k for b, k in self._inputs.values())]
        like = next(iter(self.forces.values()))
        self._zeros = {
            name: torch.zeros(shape, dtype=model.dtype, device=like.device)
            for name, shape in {**model.input_base_shapes, **model.output_base_shapes}.items()
        }

    def _check(self) -> None:
        bases = {base for base, _ in self._inputs.values()}
        earlier = {base_name(n) for n in self.start} - set(self._outputs)
        known = {"force": (self.forces, bases), "promoted parameter": (self.parameters, self.model.named_parameters())}
        for kind, (given, names) in known.items():
            for name in given:
                if name not in names:
                    raise ValueError(f"'{name}' is no {kind} of '{self.model.name}'{suggestion(name, list(names))}")
        if earlier:
            name = min(earlier)
            text = f"'{name}' is no output of '{self.model.name}', so it has no value to start from"
            raise ValueError(f"{text}{suggestion(name, self._outputs)}; there are {listing(self._outputs)}")
        lengths = {name: value.shape[0] if value.ndim else 0 for name, value in self.forces.items()}
        if not lengths or len(set(lengths.values())) > 1 or min(lengths.values()) < 2:
            found = ", ".join(f"'{name}' {n}" for name, n in lengths.items()) or "none"
            raise ValueError(f"forces need a leading axis of the same two or more steps; there are {found}")

    # ---- values ------------------------------------------------------------------------------------------------------

    def _value(self, base: str, step: int, states: Mapping[int, Values]) -> Tensor:
        if base in self.forces:
            return self.forces[base][step] if step >= 0 else self._zeros[base]
        if step > 0 and base in states.get(step, ()):
            return states[step][base]
        return self.start.get(base if step >= 0 else f"{base}~{-step}", self._zeros.get(base))

    def _arguments(self, step: int, states: Mapping[int, Values], solved: bool = False) -> Values:
        """Inputs of a step. First guesses are zero; where it is `solved`, the solution."""
        found = dict(self.parameters)
        for name, (base, k) in self._inputs.items():
            known = k or solved or base in self.forces
            found[name] = self._value(base, step - k, states) if known else self._zeros[name]
        return found

    def walk(self, states: dict[int, Values], first: int, last: int) -> Iterable[tuple[int, Values]]:
        """The outputs of steps `first` to `last`, which are added to `states`; what is carried no further is dropped by
        the caller."""
        for step in range(first, last + 1):
            outputs = self.model.forward(self._arguments(step, states))
            states[step] = {name: outputs[name] for name in self.carried}
            yield step, outputs

    # ---- adjoints ----------------------------------------------------------------------------------------------------

    def gradient(
        self, objective: Objective, wrt: Sequence[str], memory: int | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective, summed over steps 1, 2, ..., and its derivative by each of `wrt` (names of forces, of values
        at the start, of parameters) in the shape that it was given in.

        memory: bytes of states that may be kept, beside forces and results; None: all states are. With fewer, the
        history is evaluated twice. Raises ValueError where `memory` is too little, FatalError for a pair that was not
        compiled, and what calls of the model raise.
        """
        with torch.no_grad():
            every = self._interval(objective, memory)
            total, kept, states = None, {}, {}
            for step, outputs in self.walk(states, 1, self.steps) if every < self.steps else ():
                total = _add(total, objective(step, outputs))
                if step % every == 0:
                    kept[step] = {s: states[s] for s in range(max(step - self.lags + 1, 1), step + 1)}
                states.pop(step - self.lags, None)
            sweep = _Sweep(self, wrt)
            for first in reversed(range(0, self.steps, every)):
                states, cotangents = dict(kept.pop(first, {})), {}
                last = min(first + every, self.steps)
                for step, outputs in self.walk(states, first + 1, last):
                    value, cotangents[step] = _contribution(objective, step, outputs)
                    total = _add(total, value) if every >= self.steps else total
                for step in reversed(range(first + 1, last + 1)):
                    sweep.back(step, states, cotangents.pop(step))
            assert total is not None
            return total, sweep.found

    def _interval(self, objective: Objective, memory: int | None) -> int:
        """Steps from one state that is kept to the next."""
        if memory is None:
            return self.steps
        states: dict[int, Values] = {}
        (step, outputs), *_ = self.walk(states, 1, 1)
        state = self.lags * _bytes(states[1])
        recorded = _bytes(states[1]) + _bytes(_contribution(objective, step, outputs)[1])
        needs = {c: math.ceil(self.steps / c) * state + c * recorded for c in range(1, self.steps + 1)}
        needs[self.steps] = self.steps * recorded
        fitting = [c for c, n in needs.items() if n <= memory]
        if not fitting:
            raise ValueError(f"{memory} bytes hold too few states of {self.steps} steps; give {min(needs.values())}")
        return max(fitting)


class _Sweep:
    """Adjoints on their way back. `found`: what is wanted, by name."""

    def __init__(self, history: History, wrt: Sequence[str]) -> None:
        self.history = history
        given = {**history.forces, **history.start, **history.parameters}
        for name in wrt:
            if name not in given:
                text = f"'{name}' is no force, parameter or value at the start of this history"
                raise ValueError(f"{text}{suggestion(name, list(given))}; there are {listing(given)}")
        self.found = {name: torch.zeros_like(given[name]) for name in wrt}
        inputs = history._inputs
        self.moving = {n for n, (base, k) in inputs.items() if base in self.found or (k and base in history.carried)}
        self.wanted = [*self.moving, *(name for name in history.parameters if name in self.found)]
        self.adjoints: dict[int, Values] = {}
        self.known = compiled(history.model)
        self.checked: set[frozenset[str]] = set()
        shared = [name for name in self.wanted if name in history.parameters]
        self.shared = {name: torch.zeros_like(history.parameters[name]) for name in shared}
        self.totals = [self.found[name] for name in shared]

    def back(self, step: int, states: Mapping[int, Values], cotangents: Values) -> None:
        """Takes what a step contributes, and what later ones left, to what it was given."""
        history = self.history
        adjoints = self.adjoints.pop(step, {})
        for name, value in cotangents.items():
            adjoints[name] = adjoints[name] + value if name in adjoints else value
        if not adjoints:
            return
        arguments = history._arguments(step, states, solved=True)
        self._check(frozenset(adjoints))
        found = {n: _empty(v) for n, v in arguments.items() if n in self.moving}
        history.model.vjp_into(arguments, adjoints, {}, {**found, **self.shared})
        if self.totals:
            torch._foreach_add_(self.totals, list(self.shared.values()))
        for name, value in found.items():
            base, k = history._inputs[name]
            self._leave(base, step - k, value)

    def _check(self, outputs: frozenset[str]) -> None:
        """Raises FatalError where a derivative of `outputs` by what is wanted was not compiled."""
        if outputs not in self.checked:
            known = self.known
            known.check([known.outputs.index(n) for n in outputs], [known.arguments.index(n) for n in self.wanted])
            self.checked.add(outputs)

    def _leave(self, base: str, step: int, value: Tensor) -> None:
        if base in self.history.forces:
            if base in self.found and step >= 0:
                self.found[base][step] += value
        elif step > 0:
            there = self.adjoints.setdefault(step, {})
            there[base] = there[base] + value if base in there else value
        elif (name := base if step == 0 else f"{base}~{-step}") in self.found:
            self.found[name] += value


def _empty(like: Tensor) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=like.device)


def _add(total: Tensor | None, value: Tensor) -> Tensor:
    return value.detach() if total is None else total + value.detach()


def _bytes(values: Mapping[str, Tensor]) -> int:
    return sum(v.numel() * v.element_size() for v in values.values())


def _contribution(objective: Objective, step: int, outputs: Values) -> tuple[Tensor, Values]:
    """What a step contributes, and its derivatives by the outputs that it depends on."""
    with torch.enable_grad():
        leaves = {name: v.detach().requires_grad_() for name, v in outputs.items()}
        value = objective(step, leaves)
        if not value.requires_grad:
            return value, {}
        slopes = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    return value.detach(), {n: s for n, s in zip(leaves, slopes, strict=True) if s is not None}


# ---- under autograd --------------------------------------------------------------------------------------------------


class _Stacked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, history: History, names: list[str], *given: Tensor) -> tuple[Tensor, ...]:
        ctx.history, ctx.names = history, names
        states: dict[int, Values] = {}
        found: dict[str, list[Tensor]] = {name: [] for name in history._outputs}
        for _, outputs in history.walk(states, 1, history.steps):
            for name, value in outputs.items():
                found[name].append(value)
        ctx.states = states
        ctx.set_materialize_grads(False)
        return tuple(torch.stack(found[name]) for name in history._outputs)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Any, ...]:  # type: ignore[override]
        history = ctx.history
        wanted = [n for n, needed in zip(ctx.names, ctx.needs_input_grad[2:], strict=True) if needed]
        sweep = _Sweep(history, wanted)
        given = {n: s for n, s in zip(history._outputs, slopes, strict=True) if s is not None}
        for step in reversed(range(1, history.steps + 1)):
            sweep.back(step, ctx.states, {n: s[step - 1] for n, s in given.items()})
        return (None, None, *(sweep.found.get(n) for n in ctx.names))


def outputs(
    model: Model,
    forces: Mapping[str, Tensor],
    start: Mapping[str, Tensor] | None = None,
    parameters: Mapping[str, Tensor] | None = None,
) -> Values:
    """The outputs of all steps of a History but the first, (steps, *batch, *base). They know their derivatives by what
    is given; all states are kept for them."""
    given = {**forces, **(start or {}), **(parameters or {})}
    plain = [{n: v.detach() for n, v in (some or {}).items()} for some in (forces, start, parameters)]
    history = History(model, *plain)
    found = _Stacked.apply(history, list(given), *given.values())
    return dict(zip(history._outputs, found, strict=True))
