# SPDX-License-Identifier: MIT
"""An example block of a type, from its declarations: what must be given, and the names of variables."""

from __future__ import annotations

import re
from typing import Any

# Values of the usual size in MPa, mm, s, K; what is not named here is 1.
VALUES = {
    "hardening_modulus": "1000",
    "yield_stress": "200",
    "saturated_hardening": "100",
    "saturation_rate": "10",
    "reference_stress": "100",
    "exponent": "5",
    "viscosity": "1e4",
    "modulus": "1e5",
    "CTE": "1.2e-5",
    "reference_temperature": "300",
    "shear_modulus": "8e4",
    "gas_constant": "8.314",
    "ideal_gas_constant": "8.314",
    "activation_energy": "1e5",
    "expr": "Scalar(torch.linspace(0, 1, 11))",
}
TABLES = {"abscissa", "abscissa1", "abscissa2", "ordinate", "cell_centers", "cell_edges", "cell_values"}
"""Parameters that hold tables: the name of a block of [Tensors]."""
COEFFICIENTS = {"YOUNGS_MODULUS": "2e5", "POISSONS_RATIO": "0.3", "SHEAR_MODULUS": "8e4", "BULK_MODULUS": "1.6e5"}
REFERENCES = {"Models": "model", "Solvers": "solver", "Data": "crystal_geometry", "Drivers": "driver"}
REFERENCES |= {"EquationSystems": "system", "Tensors": "tensor"}
OPTIONS = {
    ("CubicCrystal", "slip_directions"): "directions",
    ("CubicCrystal", "slip_planes"): "planes",
    **{(f"{kind}Crystal", "lattice_parameter"): "1" for kind in ("Cubic", "BodyCentred", "Hexagonal")},
    ("HexagonalCrystal", "c_over_a"): "1.6",
    ("Normality", "function"): "yield_function",
    ("Normality", "from"): "mandel_stress",
    ("Normality", "to"): "flow_direction",
    ("RateCondensation", "rate"): "gamma_rate",
    ("RateCondensation", "driving_force"): "trial_stress",
    ("CoordinateDescentPredictor", "driving_force_input"): "driving_force",
    ("NonlinearSystem", "unknowns"): "stress",
    ("AOTIModel", "artifact_path"): "aoti/model",
    ("LeastSquares", "parameters"): "C1 g1",
    ("LeastSquares", "experiments"): "slow fast",
}


def example(entry: dict[str, Any]) -> str:
    rows = [(row["name"], value(entry, row)) for row in entry["options"] if shown(row)]
    width = max((len(name) for name, _ in rows), default=0)
    lines = [f"    {name:<{width}} = {quoted(text)}" for name, text in rows]
    block = f"  [{block_name(entry['name'])}]\n    type = {entry['name']}\n"
    return f"[{entry['section']}]\n{block}" + "".join(f"{line}\n" for line in lines) + "  []\n[]"


def block_name(type_: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type_).lower()


def shown(row: dict[str, Any]) -> bool:
    if not row["name"] or row.get("derived"):
        return False
    if row["required"] or row["default"] == "required":
        return True
    named = isinstance(row["default"], str) and row["default"] not in ("", "block name")
    return named and row["role"] in ("input", "output")


def refers(row: dict[str, Any]) -> bool:
    """Whether the example names a block that it does not show."""
    named = re.search(r"in \[(Models|Solvers|Drivers|EquationSystems)\]", row["kind"]) or row["name"] in TABLES
    return shown(row) and bool(named)


def value(entry: dict[str, Any], row: dict[str, Any]) -> str:
    name, kind = row["name"], row["kind"]
    if (entry["name"], name) in OPTIONS:
        return OPTIONS[entry["name"], name]
    if not row["required"] and row["default"] != "required":
        return row["default"]
    if choices := re.search(r"one of ([^,]+)", kind):
        return choices[1]
    if choices := re.search(r"\{(.*?)\}", kind):
        return choices[1].replace(",", "")
    if name == "coefficients":
        types = next(row["kind"] for row in entry["options"] if row["name"] == "coefficient_types")
        return " ".join(COEFFICIENTS[word] for word in re.search(r"\{(.*?)\}", types)[1].split(", "))
    if section := re.search(r"in \[(\w+)\]", kind):
        return REFERENCES[section[1]]
    return of_kind(name, kind, row["role"])


def of_kind(name: str, kind: str, role: str) -> str:
    if role == "inputs":
        return "a b"
    if role == "parameters":
        return "1 1"
    if name in TABLES:
        return name
    if name in VALUES:
        return VALUES[name]
    if kind == "Path":
        return "values.csv"
    if kind in ("float", "int", "Scalar"):
        return "1"
    if kind in ("str", "list[str]"):
        return "x y z" if kind == "list[str]" else "x"
    return name


def quoted(text: str) -> str:
    return f"'{text}'" if " " in text or not re.fullmatch(r"[-+\w./]+", text) else text
