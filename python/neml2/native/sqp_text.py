# SPDX-License-Identifier: MIT
"""C++ of sequential quadratic programming: the function of a module, and a shared library around one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neml2.compiler.backends.native.text.cpp import Body, argument_names, cpp_name

if TYPE_CHECKING:
    from neml2.native.sqp import SQP

WORKSPACE = """\
/// Memory of a solve, that of PIQP included, allocated once. std::bad_alloc where there is none.
struct Workspace
{
  Workspace();
  ~Workspace();
  Workspace(const Workspace &) = delete;
  Workspace & operator=(const Workspace &) = delete;

  struct Data;
  Data * data;
};

"""

_DEFINITION = """\
namespace {namespace}
{{
namespace
{{
constexpr double lower[] = {{{lower}}}, upper[] = {{{upper}}};
constexpr double low[] = {{{low}}}, high[] = {{{high}}};
using Solver = Sqp<{unknowns}, {residuals}, {constraints}>;

/// Fills a point.
void linearize({parameters})
{{
{lines}}}
}} // namespace

struct Workspace::Data
{{
  Solver solver{{Solver::Options{{{tolerance!r}, {max_its}, lower, upper, low, high}}}};
  double unknowns[{unknowns}];
}};

Workspace::Workspace() : data(new Data) {{}}
Workspace::~Workspace() {{ delete data; }}

{head}
{{
  double * const u_ = w.data->unknowns;
{gather}  const Result result = w.data->solver.run(u_, [&](const double * at_, const double * y_, Solver::Point & p_)
                                           {{ linearize({arguments}); }});
{scatter}  return result;
}}
}} // namespace {namespace}
"""

_SHARED = """\
{header}
{source}
extern "C" {{
__attribute__((visibility("default"))) void * neml2_sqp_new()
{{
  return new jit::{namespace}::Workspace;
}}
__attribute__((visibility("default"))) void neml2_sqp_delete(void * w)
{{
  delete static_cast<jit::{namespace}::Workspace *>(w);
}}
__attribute__((visibility("default"))) void neml2_sqp_run(void * w, long long points, const double * const * in,
                                                          double * const * out, int * status, int * iterations,
                                                          double * residual)
{{
  auto & workspace = *static_cast<jit::{namespace}::Workspace *>(w);
  for (long long k_ = 0; k_ < points; ++k_)
  {{
    const jit::Result result = jit::{namespace}::evaluate({arguments}, workspace);
    status[k_] = static_cast<int>(result.status);
    iterations[k_] = result.iterations;
    residual[k_] = result.residual;
  }}
}}
}}
"""


def number(value: float) -> str:
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}std::numeric_limits<double>::infinity()"
    return repr(float(value))


def definition(sqp: SQP, namespace: str, made: Body, head: str) -> str:
    """The function of a module: `head` is its first line, `made` evaluates an iterate."""
    program = sqp.evaluation.differentiated()
    names, _ = argument_names(sqp.program)
    inner, results = argument_names(program)
    outer = dict(zip((a.name for a in sqp.program.inputs), names, strict=True))
    place, start = {}, 0
    for name in sqp.output_names:
        place[name] = start
        start += sum(a.size for a in sqp.program.inputs if a.name == name)
    parameters, arguments, gather, scatter = [], [], [], []
    for a, local in zip(program.inputs, inner, strict=True):
        parameters.append(f"[[maybe_unused]] const double * {local}")
        if a.name in place:
            arguments.append(f"at_ + {place[a.name]}")
        else:
            arguments.append(f"{outer[a.name]}.data" if a.name in outer else "y_")
    if sqp.squares:
        parameters.append("[[maybe_unused]] const double * y_")
        arguments.append("y_")
    for a, local in zip(program.outputs, results, strict=True):
        parameters.append(f"double * {local}")
        arguments.append(f"p_.{a.name}")
    _, outputs = argument_names(sqp.program)
    for a, out in zip(sqp.program.outputs, outputs, strict=True):
        loop = f"  for (std::size_t i_ = 0; i_ < {a.size}; ++i_)\n"
        gather.append(f"{loop}    u_[{place[a.name]} + i_] = {outer[a.name]}[i_];\n")
        scatter.append(f"{loop}    {out}[i_] = u_[{place[a.name]} + i_];\n")
    sizes = {a.name: a.size for a in program.outputs}
    lower, upper, low, high = (", ".join(map(number, values)) or "0" for values in sqp.limits())
    return _DEFINITION.format(
        namespace=namespace,
        lower=lower, upper=upper, low=low, high=high,
        unknowns=sqp.unknowns, residuals=sizes["value"] if sqp.squares else 0, constraints=sizes.get("constraint", 0),
        parameters=", ".join(parameters), arguments=", ".join(arguments),
        lines="".join(f"  {line}\n" for line in made.lines),
        tolerance=sqp.tolerance, max_its=sqp.max_its, head=head, gather="".join(gather), scatter="".join(scatter),
    )  # fmt: skip


def shared(sqp: SQP, header: str, source: str) -> str:
    """One translation unit of a module `jit` and functions of C around its only function."""
    casts = []
    for k, a in enumerate(sqp.program.inputs):
        sizes = ", ".join(["double", *map(str, a.shape)])
        casts.append(f"*reinterpret_cast<const jit::Buffer<{sizes}> *>(in[{k}] + k_ * {a.size})")
    for k, a in enumerate(sqp.program.outputs):
        sizes = ", ".join(["double", *map(str, a.shape)])
        casts.append(f"*reinterpret_cast<jit::Buffer<{sizes}> *>(out[{k}] + k_ * {a.size})")
    body = source.replace('#include "jit.hpp"\n', "")
    return _SHARED.format(header=header, source=body, namespace=cpp_name(sqp.name), arguments=", ".join(casts))
