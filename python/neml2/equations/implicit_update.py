# SPDX-License-Identifier: MIT
"""The state at the end of a step, as the solution of a nonlinear system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..errors import InvalidModel, MissingInput, listing, suggestion
from ..hit import base_name, lag
from ..models import Model, Option, Reference, Variable, register
from ..solvers import Krylov, LinearSolver, Newton, SchurComplement
from ..types import TensorWrapper
from .bordered import Partition, partition
from .layout import Layout
from .nonlinear_system import NonlinearSystem
from .residual import Residual, Slot, common_dtype, parameter_slots
from .sensitivity import Problem, needed, solve_with_derivatives
from .solve import Walk, solve

MOST_LEVELS = 30


@register("ImplicitUpdate")
class ImplicitUpdate(Model):
    """The unknowns u for which the residual of `equation_system` vanishes, r(u; g) = 0, given everything else it
    reads.

    Newton's method starts from what `predictor` provides under the name of an unknown, else from an input of that
    name. Points that fail are, with `max_substepping_level` > 0, walked to the end of the step in up to 2^level equal
    parts, between the old and the current values of every given `x` that has an `x~1`; `incremental_variables` are
    givens whose `x~1` becomes an input for this alone.

    Attributes:
        equation_system: the NonlinearSystem. solver: the Newton. predictor: a Model or None.
    """

    equation_system: NonlinearSystem = Reference("EquationSystems")
    solver: Newton = Reference("Solvers")
    predictor: Model | None = Reference("Models", default=None)
    input_sensitivity_solver: Any = Reference("Solvers", default=None)
    param_sensitivity_solver: Any = Reference("Solvers", default=None)
    max_substepping_level: int = Option(int, 0, at_least=0, at_most=MOST_LEVELS)
    incremental_variables: list[str] = Option(list[str], default=(), unique=True)

    def variables(self, inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
        self._check_options()
        predicted = self.predictor.output_spec if self.predictor is not None else {}
        spec = self.equation_system.model.input_spec
        found: dict[str, type] = {
            name: type_ for name, type_ in spec.items() if name in self.equation_system.givens or name not in predicted
        }
        for name, type_ in (self.predictor.input_spec if self.predictor is not None else {}).items():
            if found.setdefault(name, type_) is not type_:
                text = f"the predictor takes '{name}' as a {type_.__name__}, the system as a {found[name].__name__}"
                raise self.error(text, "predictor", InvalidModel)
        for name in self.incremental_variables:
            found.setdefault(f"{name}~1", spec[name])
        self.providers = self.equation_system.model.providers
        if self.predictor is not None:
            self.providers += tuple(p for p in self.predictor.providers if p not in self.providers)
        inputs = [Variable(name, type_, name) for name, type_ in found.items()]
        return inputs, [Variable(name, spec[name], name) for name in self.equation_system.unknowns]

    def _check_options(self) -> None:
        system = self.equation_system
        if not isinstance(self.solver, Newton):
            kind = type(self.solver).__name__
            raise self.error(f"a {kind} solves no nonlinear system; expected Newton", "solver")
        self._check_linear_solver(self.solver.linear_solver)
        for option in ("input_sensitivity_solver", "param_sensitivity_solver"):
            other = getattr(self, option)
            if other is not None and not isinstance(other, LinearSolver):
                raise self.error(f"a {type(other).__name__} is no linear solver; expected a DenseLU", option)
        for name in self.incremental_variables:
            if name not in system.givens:
                hint = suggestion(name, system.givens) or f"; these are: {listing(system.givens)}"
                text = f"'{name}' is not given to system '{system.name}'{hint}"
                raise self.error(text, "incremental_variables")
        if self.predictor is not None:
            self._check_predictor(self.predictor)

    def _check_linear_solver(self, solver: LinearSolver) -> None:
        groups = self.equation_system.groups
        label = f"system '{self.equation_system.name}' has {len(groups)} group{'s' * (len(groups) > 1)} of unknowns"
        if isinstance(solver, SchurComplement):
            if len(groups) != 2:
                raise self.error(f"{label}; SchurComplement takes two", "equation_system")
        elif isinstance(solver, Krylov):
            if any(group.structure == "block" for group in groups):
                raise self.error(f"{type(solver).__name__} takes dense groups of unknowns only", "equation_system")
            if len(groups) > 1 and solver.preconditioner.assembles:
                kind = type(solver.preconditioner).__name__
                raise self.error(f"{label}; a {kind} takes one", "equation_system")
        elif len(groups) > 1:
            text = f"{label}; {type(solver).__name__} takes one, SchurComplement two"
            raise self.error(text, "equation_system")

    def _check_predictor(self, predictor: Model) -> None:
        spec = self.equation_system.unknown_spec
        for name in predictor.output_spec:
            if name not in spec:
                hint = suggestion(name, spec) or f"; these are: {listing(spec)}"
                text = f"predicts '{name}', which is no unknown of system '{self.equation_system.name}'{hint}"
                raise self.error(text, "predictor", InvalidModel)
        for name in spec:
            type_ = predictor.output_spec.get(name, spec[name])
            if type_ is not spec[name]:
                text = f"provides '{name}' as a {type_.__name__}; the unknown is a {spec[name].__name__}"
                raise self.error(text, "predictor", InvalidModel)

    def setup(self) -> None:
        residual = self.equation_system.model
        self.add_child(residual, residual.name, f"{residual.name}_")

    # -- evaluating ------------------------------------------------------------------------------------------

    def evaluate(self, state: Mapping[str, TensorWrapper]) -> dict[str, TensorWrapper]:
        """The unknowns by name. Where no point needs an update they keep the batch shape of the initial guess.

        Raises ConvergenceError, which names the points that did not converge.
        """
        missing = [name for name in self.input_spec if name not in state]
        if missing:
            raise MissingInput(f"{self!r} needs the input '{missing[0]}'; given are: {listing(state)}")
        predicted = self.predictor.evaluate(state) if self.predictor is not None else {}
        guesses = [self._guess(name, predicted, state) for name in self.equation_system.unknowns]
        layout = Layout(self.equation_system.groups, guesses)
        givens = [name for name in self.input_spec if name in self.equation_system.givens]
        givens += [name for name in self._lags() if name not in givens]
        parameters = parameter_slots(self.equation_system.model)
        parameter_values = self._parameter_values(parameters)
        residual = Residual(
            self.equation_system.model,
            layout,
            [Slot(name, type(state[name]), state[name].sub_batch_ndim) for name in givens],
            parameters,
            swap=any(slot.batch(value) for slot, value in zip(parameters, parameter_values, strict=True)),
            part=self._partition(layout),
            linear_solver=self.solver.linear_solver,
            predicted={name: state[name] for name in self.predictor.input_spec} if self.predictor is not None else {},
        )
        values = [state[name].data for name in givens] + parameter_values
        dtype = common_dtype([*values, *(guess.data for guess in guesses)])
        guess = layout.pack([value.data for value in guesses]).to(dtype)
        walk = self._walk(givens)
        settings = self.solver.settings()
        if needed([guess, *values]):
            u = solve_with_derivatives(Problem(residual, settings, walk, self._label()), guess, values)
        else:
            with torch.no_grad():
                u = solve(residual, settings, walk, guess, values, self._label()).u
        if u is guess:
            return layout.typed(layout.by_groups([value.data.to(dtype) for value in guesses]))
        return layout.unpack(u)

    def _partition(self, layout: Layout) -> Partition | None:
        """Sites and common unknowns, if some group has block structure."""
        groups = self.equation_system.groups
        if all(group.structure == "dense" for group in groups):
            return None
        blocks = [group.structure == "block" for group in groups for _ in group.unknowns]
        try:
            return partition(layout.entries, blocks)
        except InvalidModel as error:
            raise self.equation_system.error(error.text, "structure", InvalidModel) from None

    def _label(self) -> str:
        return f"{type(self).__name__} '{self.name}'" if self.name else type(self).__name__

    def _parameter_values(self, parameters: list[Slot]) -> list[torch.Tensor]:
        values = dict(self.equation_system.model.named_parameters())
        return [values[slot.name] for slot in parameters]

    def _lags(self) -> list[str]:
        return [f"{name}~1" for name in self.incremental_variables]

    def _walk(self, givens: list[str]) -> Walk:
        if not self.max_substepping_level:
            return Walk()
        unknowns = self.equation_system.unknowns
        forces = [
            (givens.index(name), givens.index(f"{name}~1"))
            for name in givens
            if lag(name) == 0 and f"{name}~1" in givens
        ]
        states = [(givens.index(f"{name}~1"), i) for i, name in enumerate(unknowns) if f"{name}~1" in givens]
        return Walk(self.max_substepping_level, forces, states)

    # -- initial guess ---------------------------------------------------------------------------------------

    def _guess(
        self, name: str, predicted: Mapping[str, TensorWrapper], state: Mapping[str, TensorWrapper]
    ) -> TensorWrapper:
        """The first iterate of an unknown, with its sub-batch shape."""
        value = predicted[name] if name in predicted else state[name]
        declared = self.source.settings.sub_batch_shape(name) if self.source is not None else None
        if declared is not None:
            return self._declared(name, value, declared)
        rank, shape = value.sub_batch_ndim, tuple(value.sub_batch_shape)
        for other, lagged in state.items():
            if other == name or base_name(other) != name or other not in self.input_spec:
                continue
            if lagged.sub_batch_ndim and rank and lagged.sub_batch_ndim != rank:
                text = f"'{name}' has {rank} sub-batch axes, '{other}' has {lagged.sub_batch_ndim}"
                raise self.error(text, kind=InvalidModel)
            if lagged.sub_batch_ndim and not rank:
                rank, shape = lagged.sub_batch_ndim, tuple(lagged.sub_batch_shape)
        if rank == value.sub_batch_ndim and tuple(value.sub_batch_shape) == shape:
            return value
        if value.batch_ndim == 0:
            return _expanded(value, shape)
        return type(value)(value.data, sub_batch_ndim=rank)

    def _declared(self, name: str, value: TensorWrapper, declared: tuple[int, ...]) -> TensorWrapper:
        if tuple(value.sub_batch_shape) == declared and value.sub_batch_ndim == len(declared):
            return value
        if value.batch_ndim == 0:
            return _expanded(value, declared)
        if value.sub_batch_ndim == 0:
            own = f"no sub-batch axes marked in its batch shape {tuple(value.batch_shape)}"
        else:
            own = f"sub-batch shape {tuple(value.sub_batch_shape)}"
        text = f"the initial guess of '{name}' has {own}, but [Settings] declares {declared}"
        raise self.error(text, kind=InvalidModel)


def _expanded(value: TensorWrapper, sub_batch: tuple[int, ...]) -> TensorWrapper:
    data = value.data.expand(*sub_batch, *value.data.shape)
    return type(value)(data, sub_batch_ndim=len(sub_batch))
