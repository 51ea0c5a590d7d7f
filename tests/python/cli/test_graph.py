# SPDX-License-Identifier: MIT
"""The drawing of a composed model: pieces, variables, unknowns."""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import neml2
from input_texts import viscoplasticity_in_rates
from neml2.cli import inspect as command
from neml2.cli._graph import Cluster, Drawing, Node, dot

INPUT = (
    viscoplasticity_in_rates(50, 100, 2).replace("[update]", "[return_map]")
    + """
[Models]
  [model]
    type = ComposedModel
    models = 'return_map vonmises mandel_stress'
    additional_outputs = 'stress'
  []
[]
"""
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.i"
    path.write_text(INPUT)
    return path


@pytest.fixture(scope="module")
def drawing(file: Path) -> Drawing:
    return Drawing(neml2.load_input(file).get_model("model"))


def clusters(cluster: Cluster) -> dict[str, Cluster]:
    found = {inner.title: inner for inner in cluster.clusters}
    for inner in cluster.clusters:
        found.update(clusters(inner))
    return found


def nodes(drawing: Drawing) -> dict[str, Node]:
    return {node.id: node for node in [*drawing.inputs, *drawing.outputs, *drawing.root.all_nodes()]}


def arrows(drawing: Drawing) -> set[tuple[str, str, str]]:
    titles = {id_: node.title for id_, node in nodes(drawing).items()}
    return {(titles[edge.start.node], edge.variable, titles[edge.end.node]) for edge in drawing.edges}


def test_nested_compositions_are_nested_clusters(drawing: Drawing) -> None:
    found = clusters(drawing.root)
    assert [inner.title for inner in drawing.root.clusters] == ["model: ComposedModel"]
    update = found["return_map: ImplicitUpdate"]
    assert update.kind == "implicit"
    assert "return_map: ImplicitUpdate" in clusters(found["model: ComposedModel"])
    assert "rates: ComposedModel" in clusters(update)
    assert "flow: ComposedModel" in clusters(found["normality: Normality"])
    pieces = {node.title for node in found["rates: ComposedModel"].all_nodes()}
    assert {"strain_rate", "mandel_stress", "vonmises", "yield_surface", "elasticity", "integrate"} <= pieces


def test_variables_run_along_the_edges(drawing: Drawing) -> None:
    found = arrows(drawing)
    assert ("strain_rate", "strain_rate", "elastic_strain_rate") in found
    assert ("elasticity", "stress_rate", "integrate") in found
    assert ("vonmises", "effective_stress", "yield_surface") in found
    assert ("yield_surface", "yield_function", "∂ yield_function") in found
    assert ("∂ yield_function", "flow_direction", "plastic_strain_rate") in found


def test_unknowns_are_guessed_solved_for_and_handed_on(drawing: Drawing) -> None:
    found = arrows(drawing)
    assert ("predictor", "stress", "unknowns") in found
    assert ("unknowns", "stress", "mandel_stress") in found
    assert ("unknowns", "stress", "integrate") in found
    assert ("integrate", "stress_residual", "residual = 0") in found
    assert ("residual = 0", "stress", "stress") in found  # the output
    assert ("residual = 0", "stress", "mandel_stress") in found  # the piece after the update
    kinds = {edge.kind for edge in drawing.edges}
    assert kinds == {"", "guess", "back"}


def test_every_piece_gets_every_input(drawing: Drawing) -> None:
    reached = {(edge.end.node, edge.end.place) for edge in drawing.edges}
    for node in drawing.root.all_nodes():
        for name in node.inputs:
            drawn = (node.id, f"in_{name}") in reached
            assert drawn or node.tints[name] == "input", (node.title, name)
    starts = {edge.start.node for edge in drawing.edges}
    assert all(node.id in starts for node in drawing.inputs)
    ends = [edge.end.node for edge in drawing.edges]
    assert all(ends.count(node.id) == 1 for node in drawing.outputs)


def test_ports_of_edges_exist(drawing: Drawing) -> None:
    known = nodes(drawing)
    for edge in drawing.edges:
        for port in (edge.start, edge.end):
            node = known[port.node]
            names = {f"in_{name}" for name in node.inputs} | {f"out_{name}" for name in node.outputs} | {""}
            assert port.place in names


def test_names_are_escaped(file: Path) -> None:
    drawing = Drawing(neml2.load_input(file).get_model("vonmises"))
    drawing.inputs[0].title = 'a<b>&"c"'
    drawing.title = 'x "quoted" <y>'
    text = dot(drawing)
    assert "a&lt;b&gt;&amp;&quot;c&quot;" in text and "x &quot;quoted&quot; &lt;y&gt;" in text


def test_single_model_is_drawn(file: Path) -> None:
    drawing = Drawing(neml2.load_input(file).get_model("vonmises"))
    assert [node.title for node in drawing.root.nodes] == ["vonmises"]
    assert arrows(drawing) == {
        ("mandel_stress", "mandel_stress", "vonmises"),
        ("vonmises", "effective_stress", "effective_stress"),
    }


@pytest.mark.skipif(shutil.which("dot") is None, reason="GRAPHVIZ IS MISSING: install graphviz (make test does)")
def test_svg_shows_pieces_and_variables_from_left_to_right(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.svg"
    assert command.main([str(file), "model", "--graph", str(out)]) == 0
    root = ElementTree.parse(out).getroot()
    space = "{http://www.w3.org/2000/svg}"
    places: dict[str, list[float]] = {}
    for element in root.iter(f"{space}text"):
        places.setdefault(str(element.text).strip(), []).append(float(element.get("x", "nan")))
    for word in ("strain_rate", "elastic_strain_rate", "unknowns", "residual = 0", "return_map: ImplicitUpdate"):
        assert word in places, word
    assert min(places["strain~1"]) < min(places["unknowns"]) < max(places["residual = 0"]) < max(places["stress"])
    titles = [element.text for element in root.iter(f"{space}title")]
    assert any("cluster" in str(title) for title in titles)


def test_dot_source_needs_no_program(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    out = tmp_path / "model.dot"
    assert command.main([str(file), "model", "--graph", str(out)]) == 0
    assert out.read_text().startswith("digraph model {")


def test_errors_say_what_to_do(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert command.main([str(file), "model", "--graph", str(tmp_path / "model.gif")]) != 0
    assert ".svg" in capsys.readouterr().err
    assert command.main([str(file), "--graph", str(tmp_path / "model.svg")]) == 2
    assert "name it" in capsys.readouterr().err
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert command.main([str(file), "model", "--graph", str(tmp_path / "model.svg")]) != 0
    assert "install graphviz" in capsys.readouterr().err
    assert not (tmp_path / "model.svg").exists()


@pytest.mark.skipif(shutil.which("dot") is None, reason="GRAPHVIZ IS MISSING: install graphviz (make test does)")
def test_dot_accepts_the_source_without_complaint(drawing: Drawing) -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=dot(drawing).encode(), capture_output=True, check=True)
    assert b"Warning" not in done.stderr and b"Error" not in done.stderr
