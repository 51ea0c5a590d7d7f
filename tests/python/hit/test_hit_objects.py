# SPDX-License-Identifier: MIT
"""Building objects from blocks: options, references, caching, and what is said when something is wrong."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import neml2
from neml2.errors import CircularReference, InputError, nearest
from neml2.hit import REGISTRIES, HitObject, Option, OptionFamily, Reference, load_string, register


@register("OptionZoo")
class OptionZoo(HitObject):
    SECTION = "Solvers"

    count: int = Option(int, 3)
    tolerance: float = Option(float, 1e-8)
    flag: bool = Option(bool, False)
    label: str = Option(str)
    kind: str = Option(str, "ONE", choices=("ONE", "TWO"))
    words: list[str] = Option(list[str], ())
    numbers: list[int] = Option(list[int], ())
    groups: list[list[str]] = Option(list[list[str]], ())
    table: list[list[float]] = Option(list[list[float]], ())
    file: Path = Option(Path, None)
    from_: str = Option(str, "")
    names = OptionFamily("prescribed_{}_names", list[str], ("Scalar", "SR2"), default=())
    friend = Reference("Solvers", default=None)
    friends = Reference("Solvers", default=(), many=True)

    def setup(self) -> None:
        if self.count < 0:
            raise self.error("must not be negative", "count")


def zoo(fields: str, extra: str = "", name: str = "zoo.i"):
    return load_string(f"[Solvers]\n[a]\ntype = OptionZoo\n{fields}\n[]\n{extra}\n[]\n", name=name).get_solver("a")


def test_every_kind_of_option():
    a = zoo(
        "label = 'two words'\ncount = '7'\ntolerance = 1e-3\nflag = true\nkind = TWO\nwords = 'x y'\n"
        "numbers = '1 2'\ngroups = 'a b; c'\ntable = '1 2; 3 4'\nfile = data/x.csv\nfrom = there\n"
        "prescribed_SR2_names = 'strain'\nfriend = b\nfriends = 'b b'",
        "[b]\ntype = OptionZoo\nlabel = b\n[]",
        name="folder/zoo.i",
    )
    assert (a.count, a.tolerance, a.flag, a.label, a.kind) == (7, 1e-3, True, "two words", "TWO")
    assert (a.words, a.numbers, a.groups) == (["x", "y"], [1, 2], [["a", "b"], ["c"]])
    assert a.table == [[1.0, 2.0], [3.0, 4.0]] and a.file == Path("folder/data/x.csv") and a.from_ == "there"
    assert a.names == {"Scalar": (), "SR2": ["strain"]}
    assert a.friend.label == "b" and a.friends == [a.friend, a.friend]
    assert repr(a) == "OptionZoo('a')"


def test_defaults():
    a = zoo("label = x")
    assert (a.count, a.tolerance, a.flag, a.kind, a.words, a.friend) == (3, 1e-8, False, "ONE", (), None)


def test_the_same_from_python():
    a = OptionZoo(label="x", count=2, from_="there")
    assert (a.count, a.label, a.from_, a.tolerance) == (2, "x", "there", 1e-8)
    with pytest.raises(ValueError, match=r"no option 'cont'; did you mean 'count'\?"):
        OptionZoo(label="x", cont=2)
    with pytest.raises(ValueError, match="option 'label' is required"):
        OptionZoo()


@pytest.mark.parametrize(
    "field, words",
    [
        (
            "count = 1.0",
            "zoo.i:5: [Solvers/a] option 'count': expected an integer: '1.0' is not a valid integer",
        ),
        ("tolerance = 1/2", "zoo.i:5: [Solvers/a] option 'tolerance': expected a number: "),
        (
            "flag = True",
            "zoo.i:5: [Solvers/a] option 'flag': expected true or false: 'True' is not a boolean",
        ),
        ("flag = 1", "zoo.i:5: [Solvers/a] option 'flag': expected true or false"),
        ("numbers = '1 b'", "zoo.i:5: [Solvers/a] option 'numbers': expected a list of integers"),
        (
            "kind = TOW",
            "zoo.i:5: [Solvers/a] option 'kind': 'TOW' is not one of ONE, TWO; did you mean 'TWO'?",
        ),
        ("cont = 1", "zoo.i:5: [Solvers/a] option 'cont': unknown option; did you mean 'count'?"),
        ("count = -1", "zoo.i:5: [Solvers/a] option 'count': must not be negative"),
        ("friend = bb", "zoo.i:5: [Solvers/a] option 'friend': No [Solvers/bb] found"),
    ],
)
def test_a_bad_option_is_named_with_its_place(field, words):
    with pytest.raises((ValueError, KeyError)) as info:
        zoo(f"label = x\n{field}")
    assert str(info.value).startswith(words)


def test_unknown_option_lists_the_accepted_ones():
    with pytest.raises(ValueError, match="accepted: count, tolerance, flag, label"):
        zoo("label = x\nxyz = 1")


def test_missing_required_option_and_type():
    with pytest.raises(ValueError, match=r"zoo.i:2: \[Solvers/a\]: option 'label' is required"):
        zoo("")
    with pytest.raises(ValueError, match="option 'type' is required"):
        load_string("[Solvers]\n[a]\n[]\n[]").get_solver("a")


def test_missing_block_is_a_key_error_with_the_nearest_name():
    source = load_string("[Solvers]\n[newton]\n[]\n[]", name="x.i")
    with pytest.raises(KeyError) as info:
        source.get_solver("neton")
    assert str(info.value) == "x.i: No [Solvers/neton] found; did you mean 'newton'?"
    with pytest.raises(KeyError, match=r"No \[Models/zzz\] found; there are: none"):
        source.get_model("zzz")


def test_unknown_type_is_a_key_error_with_the_nearest_name():
    source = load_string("[Models]\n[a]\ntype = LinearIsotropicElastcity\n[]\n[]", name="x.i")
    with pytest.raises(KeyError) as info:
        source.get_model("a")
    assert str(info.value).startswith("x.i:3: [Models/a] option 'type': no type 'LinearIsotropicElastcity'")
    assert "did you mean 'LinearIsotropicElasticity'?" in str(info.value)


def test_keyword_as_a_block_name_is_rejected():
    source = load_string("[Models]\n[yield]\ntype = IsotropicMandelStress\n[]\n[]")
    with pytest.raises(ValueError, match="'yield' is a Python keyword"):
        source.get_model("yield")


def test_references_give_one_object_and_unused_blocks_are_not_checked():
    source = load_string(
        "[Solvers]\n[a]\ntype=OptionZoo\nlabel=a\nfriend=c\n[]\n[b]\ntype=OptionZoo\nlabel=b\nfriend=c\n[]\n"
        "[c]\ntype=OptionZoo\nlabel=c\n[]\n[broken]\ntype = Nothing\nx = y\n[]\n[]"
    )
    assert source.get_solver("a").friend is source.get_solver("b").friend is source.get_solver("c")
    assert source.get_solver("a") is source.get_solver("a")


def test_names_of_sections_are_independent():
    source = load_string("[Solvers]\n[x]\ntype=OptionZoo\nlabel=a\n[]\n[]\n[Models]\n[x]\ntype=CopyOf\n[]\n[]")
    assert source.get_solver("x").label == "a"
    with pytest.raises(KeyError):
        source.get_model("x")


def test_a_circle_of_references_is_a_recursion_error_that_shows_it():
    with pytest.raises(RecursionError, match="Solvers/a -> Solvers/b -> Solvers/a"):
        zoo("label=a\nfriend=b", "[b]\ntype=OptionZoo\nlabel=b\nfriend=a\n[]")
    source = load_string("[Models]\n[m]\ntype = ComposedModel\nmodels = m\n[]\n[]")
    with pytest.raises(CircularReference, match="Models/m -> Models/m"):
        source.get_model("m")


def test_a_failed_object_is_built_again_after_the_error():
    source = load_string("[Solvers]\n[a]\ntype=OptionZoo\nlabel=a\nfriend=a\n[]\n[]")
    for _ in range(2):
        with pytest.raises(CircularReference):
            source.get_solver("a")


def test_objects_can_be_copied_and_pickled():
    a = zoo("label = x")
    assert copy.deepcopy(a).label == "x"
    assert pickle.loads(pickle.dumps(a)).label == "x"


def test_describing_options_for_listings():
    rows = {row["name"]: row for row in OptionZoo.describe_options()}
    assert rows["kind"]["kind"] == "str, one of ONE, TWO" and rows["count"]["default"] == 3
    assert "prescribed_SR2_names" in rows and rows["friend"]["kind"] == "name in [Solvers]"
    assert "from" in rows


def test_two_classes_cannot_share_a_name():
    with pytest.raises(ValueError, match="registered twice"):

        @register("OptionZoo")
        class Other(HitObject):
            SECTION = "Solvers"

    with pytest.raises(TypeError, match="SECTION must be one of"):

        @register("Homeless")
        class Homeless(HitObject):
            SECTION = "Nowhere"


def test_an_extension_file_registers_its_types(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from neml2.models import Model, Input, Output, register\nfrom neml2.types import Scalar\n"
        "@register('TwiceForTest')\nclass Twice(Model):\n    x = Input(Scalar)\n    y = Output(Scalar)\n"
        "    def forward(self, x):\n        return 2 * x\n"
    )
    module = neml2.load_extension(path)
    assert neml2.load_extension(path) is module
    source = load_string("[Models]\n[t]\ntype = TwiceForTest\n[]\n[]")
    assert source.get_model("t")(3.0).data.item() == 6.0
    with pytest.raises(FileNotFoundError):
        neml2.load_extension(tmp_path / "none.py")


def test_errors_pickle_and_know_their_place():
    with pytest.raises(InputError) as info:
        zoo("label = x\ncount = b")
    again = pickle.loads(pickle.dumps(info.value))
    assert str(again) == str(info.value) and again.where.option == "count" and again.where.block == "Solvers/a"


def test_nearest_ignores_case():
    assert nearest("elasticity", ["Elasticity", "Plasticity"]) == "Elasticity"
    assert nearest("zzz", ["Elasticity"]) is None


def test_importing_the_package_does_not_import_torch():
    code = "import sys, neml2, neml2.hit; neml2.load_input; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = neml2.nonsense
    assert isinstance(neml2.__version__, str) and "load_model" in dir(neml2)


def test_registry_lists_known_types():
    assert {"LinearIsotropicElasticity", "SR2VariableRate", "ComposedModel"} <= set(REGISTRIES["Models"].names())
