# SPDX-License-Identifier: MIT
"""Newton loops of a kernel: one function for each nonlinear system, dense or with sites, and the walk of steps that are
cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from neml2.compiler.backends.native.text import loops, pieces
from neml2.compiler.backends.native.text.printer import Printer
from neml2.compiler.backends.native.text.sites import Entry, SitePrinter, Slot, Strip, Target, in_state
from neml2.compiler.graph.analysis import hoistable, invertible, unheard
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.compiler.graph.program import Function, Increment, Linear, Program, Solve


def component(number: int) -> str:
    return f"s[{number}]"


def place_of(slot: int | Slot) -> Target:
    """Where the value of a place of the state is assigned."""
    return component(slot) if isinstance(slot, int) else in_state(slot)


def indent(lines: Iterable[str], by: int) -> str:
    return "".join(" " * by + line + "\n" for text in lines for line in text.split("\n"))


def printer_for(
    graph: PointGraph,
    outputs: Sequence[int],
    component: Callable[[int], str],
    prefix: str = "x",
    at_site: Callable[[Slot], Strip] = in_state,
    in_turn: bool = False,
) -> Printer:
    """For a function that computes `outputs`: in loops where it is long, or has sites."""
    printer = Printer(graph, component, prefix=prefix, inverted=invertible(graph))
    if any(graph.size):
        return SitePrinter(**vars(printer), at_site=at_site, in_turn=in_turn)
    if graph.count(outputs) < loops.LONG:
        return printer
    return loops.LoopPrinter(**vars(printer), uses=loops.uses(graph, outputs))


_MOST_ON_STACK = 4096


def array_text(name: str, size: int) -> str:
    if size <= _MOST_ON_STACK:
        return f"V {name}[{size}];"
    return f"Buffer<V, {size}> {name}_storage;\n    V * const {name} = {name}_storage;"


# ---- nonlinear systems -----------------------------------------------------------------------------------------------

_SOLVE = """\
/// Solves for {count} unknowns, which start from the guess in the state, and puts the solution in its place. With
/// `linearize`, a is the Jacobian there.
template <class V>
[[maybe_unused]] __attribute__((noinline)) static Outcome<V>
{name}(const neml2_native_solver & options, V * __restrict s, {matrix} & a, MaskOf<V> lanes, bool linearize)
{{
  {constants} int unknowns[] = {{{unknowns}}};
  {vector} u{length}, r{length};
  for (int i = 0; i < {count}; ++i)
    u[i] = s[unknowns[i]];
{links}{hoisted}{trial}{check}  Newton<V, {system}> newton(options, {lanes});
  for (;;)
  {{
{residual}    const bool done = newton.finished(r, u, a);
    if (done && !linearize)
      break;
    if (done && newton.moved)
      continue;
{jacobian}    if (done)
      break;
    newton.step(a, r, u, {argument});
  }}
  for (int i = 0; i < {count}; ++i)
    s[unknowns[i]] = u[i];
  return newton.outcome;
}}
"""

_CHECK = """\
  constexpr int checked[][2] = {{{checked}}}; // a NaN here might not reach the residual
"""


def _ranges(components: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbours among ascending components together, as (first, number)."""
    found: list[tuple[int, int]] = []
    for c in components:
        if found and sum(found[-1]) == c:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((c, 1))
    return found


_TRIAL = """\
  const auto trial = [&](const {vector} (&u){length}, {vector} (&r){length})
  {{
{residual}  }};
"""


def types_of(solve: Solve) -> dict[str, str]:
    """How a system's parts are declared."""
    count, system = _count(solve), solve.system
    if system is None:
        return {"matrix": f"Matrix<V, {count}>", "vector": "V", "length": f"[{count}]", "system": str(count),
                "constants": "constexpr"}  # fmt: skip
    sizes = site_sizes(solve)
    return {"matrix": f"SiteMatrix<V, {sizes}>", "vector": f"Buffer<V, {count}>", "length": "",
            "system": f"{count}, SiteSystem<V, {sizes}>", "constants": "static constexpr"}  # fmt: skip


def _count(solve: Solve) -> int:
    """Equations of a system, those of links between its sites among them."""
    return len(solve.unknowns) + (len(solve.system.links) if solve.system else 0)


def site_sizes(solve: Solve, banded: bool = True) -> str:
    system = solve.system
    assert system is not None
    sizes = f"{system.sites}, {len(system.local)}, {len(system.border) + len(system.links)}"
    return f"{sizes}, {str(system.banded).lower()}" if banded else sizes


def vector_of(solve: Solve, name: str, column: int | None = None, columns: int = 1) -> list[Any]:
    """The entries of a vector, or of a column of several, in the order of the unknowns: as targets."""
    form = "{name}[{i}]" if column is None else "{name}({i}, {column})"
    system = solve.system
    if system is None:
        return [form.format(name=name, i=i, column=column) for i in range(len(solve.unknowns))]
    m, n = len(system.local), system.sites
    first = [f"&{form.format(name=name, i=i, column=column)}" for i in range(m)]
    border = range(n * m, n * m + len(system.border) + len(system.links))
    return [*(Strip(f, m * columns, n) for f in first), *(form.format(name=name, i=i, column=column) for i in border)]


def _matrix(solve: Solve) -> list[tuple[Target, int]]:
    """(entry of a, node) of the Jacobian."""
    system = solve.system
    if system is None:
        return [(f"a({i}, {j})", n) for i, row in enumerate(solve.jacobian) for j, n in enumerate(row)]
    found: list[tuple[Target, int]] = []
    for name in ("inner", "outer", "row", "lower", "upper"):
        block = getattr(system, "rows" if name == "row" else name)
        found += [
            (Entry(f"a.{name}(g, {i}, {j})", system.sites), n) for i, row in enumerate(block) for j, n in enumerate(row)
        ]
    return found + [(f"a.corner({i}, {j})", n) for i, row in enumerate(system.corner) for j, n in enumerate(row)]


def solve_text(program: Program, solve: Solve) -> str:
    graph = program.graph
    names = vector_of(solve, "u")[: len(solve.leaves(graph))]
    place: dict[Any, Any] = {graph.value[leaf]: name for leaf, name in zip(solve.leaves(graph), names, strict=True)}
    entries = _matrix(solve)
    wanted = [*solve.residual, *(n for _, n in entries)]
    in_turn = solve.system is not None and solve.system.banded
    outer = printer_for(
        graph,
        wanted,
        lambda c: place.get(c) or component(c),
        "h",
        lambda slot: place.get(slot) or in_state(slot),
        in_turn,
    )
    hoisted = outer.statements(hoistable(graph, wanted, solve.unknowns))
    loop = outer.inner(prefix="x")
    residual = loop.assignments(zip(vector_of(solve, "r"), solve.residual, strict=True))
    jacobian = loop.assignments(entries)
    trial: list[str] = []
    if solve.settings.line_search:
        trial = outer.inner(prefix="t").assignments(zip(vector_of(solve, "r"), solve.residual, strict=True))
    ranges = _ranges(unheard(graph, solve))
    checked = [f"{{{first}, {number}}}" for first, number in ranges]
    code = pieces.split([hoisted, residual, jacobian, trial], lasting=1)
    hoisted, residual, jacobian, trial = code.sections
    types = types_of(solve)
    text = _SOLVE.format(
        name=f"{'attempt' if solve.settings.max_substepping else 'solve'}_{solve.number}",
        count=len(solve.unknowns),
        links="".join(f"  u[{i}] = splat<V>(0);\n" for i in range(len(solve.unknowns), _count(solve))),
        unknowns=", ".join(map(str, solve.unknowns)),
        check=_CHECK.format(checked=", ".join(checked)) if checked else "",
        lanes="lanes, sum_of(s, checked)" if checked else "lanes",
        hoisted=indent([*outer.declarations(), *code.declarations, *hoisted], 2),
        trial=_TRIAL.format(residual=indent(trial, 4), **types) if trial else "",
        residual=indent(residual, 4),
        jacobian=indent(jacobian, 4),
        argument="trial" if trial else "NoTrial{}",
        **types,
    )
    return text + (_substeps(program, solve) if solve.settings.max_substepping else "")


_SUBSTEPS = """
/// The same, with bisection of the step where that fails.
template <class V>
[[maybe_unused]] __attribute__((noinline)) static Outcome<V>
solve_{number}(const neml2_native_solver & options, V * __restrict s, Matrix<V, {count}> & a, MaskOf<V> lanes,
         bool linearize)
{{
  constexpr int unknowns[] = {{{unknowns}}};
  constexpr Increment increments[] = {{{increments}}};
  const auto attempt = [&](V * state, MaskOf<V> some) {{ return attempt_{number}(options, state, a, some, false); }};
  Substepping<V, {size}, decltype(attempt)> steps(s, increments, {increment_count}, options.max_substepping, attempt);
  const MaskOf<V> arrived = steps.walk(lanes, 0.0, 1.0, 0);
  for (const int c : unknowns)
    s[c] = select<V>(arrived, steps.reached()[c], select<V>(lanes, steps.last[c], s[c]));
  if (linearize)
    attempt_{number}(options, s, a, mask<V>(false), true);
  return steps.outcome;
}}
"""


def _substeps(program: Program, solve: Solve) -> str:
    return _SUBSTEPS.format(
        number=solve.number,
        count=len(solve.unknowns),
        unknowns=", ".join(map(str, solve.unknowns)),
        increments=_increments(solve.increments) or "{0, 0, 0, false}",
        increment_count=len(solve.increments),
        size=program.tangents,
    )


def _increments(increments: Iterable[Increment]) -> str:
    return ", ".join(
        f"{{{i.current.start}, {i.old.start}, {len(i.current)}, {str(i.state).lower()}}}" for i in increments
    )


_WALK = """
/// The same, with the columns that {function} needs: each part of a cut step has a linear solve at its end.
template <class V>
[[maybe_unused]] __attribute__((noinline)) static Outcome<V>
solve_{number}_{function}(const neml2_native_solver & options, V * __restrict s, MaskOf<V> lanes)
{{
  constexpr int unknowns[] = {{{unknowns}}};
  constexpr int columns[] = {{{targets}}}; // by row
  constexpr Increment increments[] = {{{increments}}};
  const auto attempt = [&](V * state, MaskOf<V> some)
  {{
    Matrix<V, {count}> a;
    const Outcome<V> found = attempt_{number}(options, state, a, some, true);
    Columns<V, {count}, {width}> b;
{right}    native::solve(a, b);
    for (int i = 0; i < {count}; ++i)
      for (int j = 0; j < {width}; ++j)
        state[columns[i * {width} + j]] = b(i, j);
    return found;
  }};
  Substepping<V, {size}, decltype(attempt)> steps(s, increments, {increment_count}, options.max_substepping, attempt);
  const MaskOf<V> arrived = steps.walk(lanes, 0.0, 1.0, 0);
  for (const int c : unknowns)
    s[c] = select<V>(arrived, steps.reached()[c], select<V>(lanes, steps.last[c], s[c]));
  for (const int c : columns)
    s[c] = steps.reached()[c];
  return steps.outcome;
}}
"""


def walks_of(function: Function) -> list[Linear]:
    """Linear solves inside the walk of a step that may be cut."""
    return [step for step in function.steps if isinstance(step, Linear) and step.increments]


def walk_text(program: Program, function: str, linear: Linear) -> str:
    solve, graph = linear.solve, program.graph
    entries = right_side("b", graph, linear)
    printer = printer_for(graph, [n for _, n in entries], lambda c: f"state[{c}]")
    code = pieces.split([printer.assignments(entries)])
    targets = [t for row in linear.targets for t in row]
    return _WALK.format(
        function=function,
        number=solve.number,
        count=len(solve.unknowns),
        width=len(linear.targets[0]),
        unknowns=", ".join(map(str, solve.unknowns)),
        targets=", ".join(map(str, targets)),
        increments=_increments([*solve.increments, *linear.increments]),
        increment_count=len(solve.increments) + len(linear.increments),
        right=indent([*printer.declarations(), *code.declarations, *code.sections[0]], 4),
        size=max(targets) + 1,
    )


def right_side(name: str, graph: PointGraph, linear: Linear) -> list[tuple[Target, int]]:
    """(entry of `name`, node) of the right side of a linear solve."""
    count = len(linear.right[0])
    columns = [vector_of(linear.solve, name, j, count) for j in range(count)]
    return [(columns[j][i], graph.neg(n)) for i, row in enumerate(linear.right) for j, n in enumerate(row)]
