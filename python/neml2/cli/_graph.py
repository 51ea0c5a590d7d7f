# SPDX-License-Identifier: MIT
"""A model as a drawing: its pieces, the variables between them, what is solved for.

The drawing is written in graphviz's language and laid out by its program `dot`. An input of the whole model has an
edge to the piece that reads it first; at all others its blue place stands for the edge, since time alone is read in so
many places that its edges would hide the rest.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

FORMATS = ("svg", "pdf", "png", "dot")
FONT = "Helvetica,Arial,sans-serif"
INK, SOFT, LINE = "#1d2329", "#5d6873", "#8d979f"
FILLS = {
    "piece": "#ffffff",
    "input": "#dceaf7",
    "output": "#dcefe1",
    "unknown": "#fce3c4",
    "solve": "#fce3c4",
    "gradient": "#ebe4f5",
}
CLUSTERS = {"composed": ("#b9c2c8", "#f6f7f6"), "implicit": ("#d9822b", "#fff8ef"), "gradient": ("#9b86bd", "#faf7fd")}


@dataclass(frozen=True)
class Port:
    """Where a variable comes from: a node, and the variable's place there."""

    node: str
    place: str


@dataclass
class Node:
    """A box with variables that go in on its left and come out on its right."""

    id: str
    title: str
    subtitle: str
    kind: str
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    tints: dict[str, str] = field(default_factory=dict)
    """Input -> "input" or "unknown", where it is one of the whole model or of the system around."""


@dataclass
class Edge:
    start: Port
    end: Port
    variable: str
    kind: str = ""
    """"" for a value, "guess" for an initial guess, "back" for what the iteration feeds back."""


@dataclass
class Cluster:
    """A composition: what it is called, its nodes and the compositions inside."""

    id: str
    title: str
    kind: str
    nodes: list[Node] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)

    def all_nodes(self) -> Iterable[Node]:
        yield from self.nodes
        for cluster in self.clusters:
            yield from cluster.all_nodes()


class Drawing:
    """The pieces of a model and the edges between them.

    Attributes:
        root: the outermost cluster. edges: all edges. inputs, outputs: the nodes of the model's own variables.
    """

    def __init__(self, model: Any) -> None:
        self.edges: list[Edge] = []
        self._count = 0
        self.title = f"{model.name or 'model'}: {type(model).__name__}"
        self.inputs = [Node(f"in_{i}", name, "", "input") for i, name in enumerate(model.input_spec)]
        self.root = Cluster("root", "", "root")
        self._own = {node.id: "input" for node in self.inputs}
        self._read: set[str] = set()
        sources = {node.title: Port(node.id, "") for node in self.inputs}
        results = self._add(model, sources, self.root)
        self.outputs = [Node(f"out_{i}", name, "", "output") for i, name in enumerate(model.output_spec)]
        for node in self.outputs:
            self.edges.append(Edge(results[node.title], Port(node.id, ""), node.title))

    def _add(self, model: Any, sources: Mapping[str, Port], cluster: Cluster) -> dict[str, Port]:
        """Draw a model that reads from `sources`; where its outputs come from."""
        if hasattr(model, "children_in_order"):
            return self._add_composed(model, sources, cluster)
        if hasattr(model, "equation_system"):
            return self._add_implicit(model, sources, cluster)
        if hasattr(model, "inner") and hasattr(model, "function"):
            return self._add_gradient(model, sources, cluster)
        return self._add_piece(cluster, model.name, type(model).__name__, model.input_spec, model.output_spec, sources)

    def _add_piece(
        self,
        cluster: Cluster,
        title: str,
        subtitle: str,
        inputs: Iterable[str],
        outputs: Iterable[str],
        sources: Mapping[str, Port],
        kind: str = "piece",
    ) -> dict[str, Port]:
        node = Node(self._id("node"), title or subtitle, subtitle if title else "", kind, list(inputs), list(outputs))
        cluster.nodes.append(node)
        for name in node.inputs:
            source = sources[name]
            if source.node in self._own:
                node.tints[name] = self._own[source.node]
            if node.tints.get(name) != "input" or source.node not in self._read:
                self.edges.append(Edge(source, Port(node.id, f"in_{name}"), name))
            self._read.add(source.node)
        return {name: Port(node.id, f"out_{name}") for name in node.outputs}

    def _add_composed(self, model: Any, sources: Mapping[str, Port], cluster: Cluster) -> dict[str, Port]:
        inside = self._cluster(cluster, model, "composed")
        values = dict(sources)
        for child in model.children_in_order:
            values.update(self._add(child, values, inside))
        return {name: values[name] for name in model.output_spec}

    def _add_gradient(self, model: Any, sources: Mapping[str, Port], cluster: Cluster) -> dict[str, Port]:
        inside = self._cluster(cluster, model, "gradient")
        function = self._add(model.inner, sources, inside)[model.function]
        named = {model.function: function}
        title, subtitle = f"∂ {model.function}", "gradient, by " + ", ".join(model.from_)
        return self._add_piece(inside, title, subtitle, [model.function], model.to_, named, "gradient")

    def _add_implicit(self, model: Any, sources: Mapping[str, Port], cluster: Cluster) -> dict[str, Port]:
        inside = self._cluster(cluster, model, "implicit")
        unknowns, residuals = list(model.equation_system.unknowns), list(model.equation_system.residuals)
        guesses = dict(sources)
        if model.predictor is not None:
            guesses.update(self._add(model.predictor, sources, inside))
        start = Node(self._id("node"), "unknowns", "", "unknown", [], unknowns)
        inside.nodes.append(start)
        self._own[start.id] = "unknown"
        values = {**sources, **{name: Port(start.id, f"out_{name}") for name in unknowns}}
        results = self._add(model.equation_system.model, values, inside)
        solver = type(model.solver).__name__
        end = self._add_piece(inside, "residual = 0", solver, residuals, unknowns, results, "solve")
        for name in unknowns:
            if name in guesses:
                self.edges.append(Edge(guesses[name], Port(start.id, f"out_{name}"), name, "guess"))
        self.edges.append(Edge(end[unknowns[-1]], Port(start.id, f"out_{unknowns[-1]}"), ", ".join(unknowns), "back"))
        return end

    def _cluster(self, cluster: Cluster, model: Any, kind: str) -> Cluster:
        title = f"{model.name}: {type(model).__name__}" if model.name else type(model).__name__
        inside = Cluster(self._id("cluster"), title, kind)
        cluster.clusters.append(inside)
        return inside

    def _id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"


# -- graphviz ----------------------------------------------------------------------------------------------------


def dot(drawing: Drawing) -> str:
    """The drawing in graphviz's language; inputs are left, outputs right."""
    lines = [
        "digraph model {",
        f'graph [rankdir=LR, bgcolor=white, fontname="{FONT}", fontcolor="{INK}", labelloc=t, labeljust=l,',
        f"  label={_heading(drawing)}, nodesep=0.2, ranksep=0.6, pad=0.3, splines=spline, newrank=true];",
        f'node [shape=plain, fontname="{FONT}", fontsize=11, fontcolor="{INK}"];',
        f'edge [color="{LINE}", arrowsize=0.6, penwidth=1.1];',
    ]
    for rank, nodes in (("source", drawing.inputs), ("sink", drawing.outputs)):
        lines.append(f"{{ rank={rank};")
        lines += [f"{node.id} [label={_pill(node)}];" for node in nodes]
        lines.append("}")
    lines += _inside(drawing.root)
    lines += [_edge(edge) for edge in drawing.edges]
    return "\n".join([*lines, "}", ""])


def _heading(drawing: Drawing) -> str:
    """The title, and what the colours mean."""
    meanings = [("input", "input (edge to its first reader)"), ("output", "output")]
    if any(node.kind == "unknown" for node in drawing.root.all_nodes()):
        meanings.insert(1, ("unknown", "unknown, solved for by the implicit update"))
    cells = "".join(
        f'<td bgcolor="{FILLS[kind]}" border="1" color="{LINE}">   </td><td align="left">{text}    </td>'
        for kind, text in meanings
    )
    title = f'<td colspan="{2 * len(meanings)}" align="left"><font point-size="18">{escape(drawing.title)}</font></td>'
    return f'<<table border="0" cellspacing="4"><tr>{title}</tr><tr>{cells}</tr></table>>'


def _inside(cluster: Cluster) -> list[str]:
    lines = [f"{node.id} [label={_box(node)}];" for node in cluster.nodes]
    for inner in cluster.clusters:
        color, fill = CLUSTERS[inner.kind]
        lines += [
            f"subgraph cluster_{inner.id} {{",
            f'label={_quoted(inner.title)}; fontsize=13; fontcolor="{SOFT}"; color="{color}"; bgcolor="{fill}";',
            f'style="rounded{",bold" if inner.kind == "implicit" else ""}"; margin=14;',
            *_inside(inner),
            "}",
        ]
    return lines


def _edge(edge: Edge) -> str:
    start, end = _place(edge.start, "e"), _place(edge.end, "w")
    style = {
        "": "",
        "guess": f', style=dashed, color="{CLUSTERS["implicit"][0]}"',
        "back": f', style=dotted, color="{CLUSTERS["implicit"][0]}", constraint=false',
    }[edge.kind]
    note = {"": "", "guess": " (initial guess)", "back": " (next iterate)"}[edge.kind]
    return f"{start} -> {end} [tooltip={_quoted(edge.variable + note)}{style}];"


def _place(port: Port, side: str) -> str:
    if not port.place:
        return f"{port.node}:{side}"
    return f"{port.node}:{_quoted(port.place)}:{side}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pill(node: Node) -> str:
    return (
        f'<<table border="1" cellborder="0" cellspacing="0" cellpadding="5" style="rounded" color="{LINE}" '
        f'bgcolor="{FILLS[node.kind]}"><tr><td>{escape(node.title)}</td></tr></table>>'
    )


def _box(node: Node) -> str:
    """A table: the title, then inputs on the left and outputs on the right, each cell a port."""
    head = f"<b>{escape(node.title)}</b>" if node.title else ""
    if node.subtitle:
        head += f'<br/><font point-size="9" color="{SOFT}">{escape(node.subtitle)}</font>'
    rows = [f'<tr><td colspan="2" cellpadding="4">{head}</td></tr>']
    for i in range(max(len(node.inputs), len(node.outputs))):
        left = _cell("in_", node, node.inputs[i], "left") if i < len(node.inputs) else "<td></td>"
        right = _cell("out_", node, node.outputs[i], "right") if i < len(node.outputs) else "<td></td>"
        rows.append(f"<tr>{left}{right}</tr>")
    return (
        f'<<table border="1" cellborder="0" cellspacing="0" cellpadding="3" style="rounded" color="{LINE}" '
        f'bgcolor="{FILLS[node.kind]}">{"".join(rows)}</table>>'
    )


def _cell(prefix: str, node: Node, name: str, align: str) -> str:
    port = escape(prefix + name, quote=True)
    tint = node.tints.get(name) if prefix == "in_" else None
    color = f' bgcolor="{FILLS[tint]}"' if tint else ""
    return f'<td port="{port}" align="{align}"{color}><font point-size="10">{escape(name)}</font></td>'


def draw(model: Any, path: Path) -> None:
    """Write the drawing; the ending of `path` says how: .svg, .pdf, .png, or .dot for graphviz's own language.

    Raises ValueError for another ending, FileNotFoundError without graphviz or the folder, RuntimeError if it fails.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise ValueError(f"{path}: a drawing ends in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"{path}: no folder {path.parent}")
    text = dot(Drawing(model))
    if form == "dot":
        path.write_text(text, encoding="utf-8")
        return
    program = shutil.which("dot")
    if program is None:
        raise FileNotFoundError(
            "drawing needs graphviz's program 'dot': apt-get install graphviz, or brew or conda install graphviz; "
            f"{path.with_suffix('.dot')} instead of {path} needs none"
        )
    done = subprocess.run(
        [program, f"-T{form}", "-o", str(path)], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
