# SPDX-License-Identifier: MIT
"""What an input file says and nothing would read: refused with the place, and the name that was meant."""

from __future__ import annotations

import warnings

import pytest

from input_texts import ELASTICITY, decay
from neml2.errors import InputError, InvalidOption, SuspiciousReference
from neml2.hit import load_input, load_string

OTHER = "[Models]\n  [other]\n    type = ComposedModel\n    models = elasticity\n  []\n[]\n"


def refused(text: str, *words: str, **options: list[str]) -> None:
    with pytest.raises(InputError) as info:
        load_string(text, name="m.i", **options)
    for word in words:
        assert word in str(info.value)


class TestOverrides:
    @pytest.mark.parametrize(
        "override, words",
        [
            ("Models/elastcity/coefficients:='1 0.3'", ("[Models/elastcity]", "did you mean 'elasticity'")),
            ("Models/elastcity/type:=Nonsense", ("did you mean 'elasticity'",)),
            ("Models/elasticity/coeficients:='1 0.3'", ("did you mean 'coefficients'",)),
            ("Models/elasticity/inner/x:=1", ("[Models/elasticity/inner]",)),
            ("Modles/elasticity/coefficients:='1 0.3'", ("[Modles]", "did you mean 'Models'")),
            ("Models/elasticity:=1", ("Models/BLOCK/OPTION",)),
            ("nbtach=3", ("did you mean 'nbatch'",)),
            ("nbtach:=3", ("did you mean 'nbatch'",)),
            ("Settings/dynamic_bacth:=true", ("did you mean 'dynamic_batch'",)),
            ("Solvers/newton/abs_tol:=1", ("[Solvers/newton]",)),
        ],
    )
    @pytest.mark.parametrize("extra", ["", OTHER])
    def test_of_nothing(self, override, words, extra):
        text = ELASTICITY + extra + "[Tensors]\n  [n]\n    type = Python\n    expr = '${nbatch}'\n  []\n[]\n"
        refused(text, f"override '{override}'", *words, post=[override])

    def test_by_path_in_the_file_itself(self):
        refused(ELASTICITY + "Models/elastcity/coefficients := '1 0.3'\n", "m.i:8", "did you mean 'elasticity'")
        refused("[Models]\n  elastcity/coefficients := 1\n[]\n" + ELASTICITY, "m.i:2", "did you mean 'elasticity'")

    @pytest.mark.parametrize(
        "override",
        [
            "Models/elasticity/coefficients:='1 0.3'",
            "Models/elasticity/compliance:=true",  # an option the file leaves out
            "Models/elasticity/stress=sigma",
            "Settings/example_batch_shape:='(2)'",
            "Settings/example_batch_shape/strain:='(2)'",
            "x:=3",
        ],
    )
    def test_of_something(self, override):
        load_string(ELASTICITY + OTHER + "x = 1\n", post=[override])

    def test_a_block_can_be_made_of_paths(self):
        path = "Models/made"
        post = [f"{path}/type=ComposedModel", f"{path}/models=elasticity"]
        assert list(load_string(ELASTICITY, post=post).get_model("made").output_spec) == ["stress"]

    def test_what_comes_before_the_file_may_go_unused(self):
        load_string(ELASTICITY, pre=["nbatch=3", "device=cpu"])

    def test_a_value_that_is_referred_to(self):
        text = "[Tensors]\n  [n]\n    type = Python\n    expr = '${nbatch} + ${Sizes/more}'\n  []\n[]\n"
        assert load_string(text, post=["nbatch=3", "Sizes/more=4"]).get_tensor("n") == 7


class TestNames:
    def test_two_blocks_of_one_name(self):
        for text in (ELASTICITY + ELASTICITY, ELASTICITY.replace("[]\n[]", "[]\n[elasticity]\n[]\n[]")):
            refused(text, "[Models/elasticity]", "defined twice; the first stands at m.i:2")

    def test_both_lines_are_named(self):
        refused(ELASTICITY + ELASTICITY, "m.i:9: [Models/elasticity]: ", "the first stands at m.i:2")

    def test_two_nested_blocks_of_one_name(self):
        inner = "[example_batch_shape]\n  a = '(2)'\n[]\n"
        refused(f"[Settings]\n{inner}{inner}[]\n", "m.i:5", "defined twice; the first stands at m.i:2")

    def test_a_header_that_is_a_path_defines_too(self):
        refused(ELASTICITY + "[Models/elasticity]\n  type = ComposedModel\n[]\n", "m.i:8", "stands at m.i:2")

    def test_a_repeated_block_of_overrides_alone(self):
        text = ELASTICITY + "[Models]\n  [elasticity]\n    coefficients := '4 0.25'\n  []\n[]\n"
        assert load_string(text).get_model("elasticity").get_parameter("E").item() == 4.0

    def test_one_option_twice(self):
        refused(ELASTICITY.replace("type =", "type = A\n type ="), "m.i:4", "duplicate field 'type'", "m.i:3")

    def test_blocks_of_other_programs_are_not_looked_into(self):
        with pytest.warns(SuspiciousReference, match=r"nothing reads the sections Mesh; there are: Models"):
            load_string("[Mesh]\n  [a]\n  []\n  [a]\n  []\n[]\n" + ELASTICITY)

    def test_a_misspelt_section(self):
        refused(ELASTICITY.replace("Models", "Modles"), "m.i:1", "[Modles]", "did you mean 'Models'")

    def test_every_known_section_loads_without_a_word(self):
        names = ("Settings", "Tensors", "Models", "EquationSystems", "Solvers", "Drivers", "Data")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_string("".join(f"[{name}]\n[]\n" for name in names))

    def test_a_model_listed_twice(self):
        source = load_string(ELASTICITY + OTHER.replace("= elasticity", "= 'elasticity elasticity'"))
        with pytest.raises(InvalidOption, match=r"'elasticity' is listed twice"):
            source.get_model("other")

    def test_a_predictor_of_no_unknown(self):
        text = decay().replace("unknowns_Scalar = 'x'", "unknowns_Scalar = 'x z'")
        with pytest.raises(ValueError, match=r"'z', which is no unknown of system 'eq'.*: x"):
            load_string(text).get_model("update")


class TestNumbers:
    @pytest.mark.parametrize(
        "option, words",
        [
            ("max_its = 99999999999", "at most 2147483647"),
            ("max_its = 0", "at least 1"),
            ("max_its = 1e3", "expected an integer"),
            ("max_its = 12abc", "expected an integer"),
            ("max_its = 99999999999999999999", "expected an integer"),
            ("abs_tol = nan", "a finite number, at least 0"),
            ("abs_tol = inf", "a finite number"),
            ("abs_tol = -1e-8", "at least 0"),
            ("abs_tol = 1e-8x", "expected a number"),
            ("rel_tol = '1e-8 1e-8'", "expected a number"),
        ],
    )
    def test_out_of_range(self, option, words):
        text = f"[Solvers]\n  [newton]\n    type = Newton\n    {option}\n  []\n[]\n"
        with pytest.raises(InvalidOption, match=f"m.i:4: .*option '{option.split()[0]}': .*{words}"):
            load_string(text, name="m.i").get_solver("newton")

    def test_from_python(self):
        from neml2.solvers import Newton

        with pytest.raises(InvalidOption, match=r"max_its.*at most 2147483647"):
            Newton(max_its=2**32 + 1)


class TestText:
    """Bytes, line ends, nesting, includes, references: a place, never a dead process."""

    def test_a_byte_order_mark_is_no_part_of_the_text(self, tmp_path):
        path = tmp_path / "m.i"
        path.write_bytes(b"\xef\xbb\xbf" + ELASTICITY.replace("\n", "\r\n").encode())
        assert load_input(path).get_model("elasticity").get_parameter("E").item() == 200e3

    @pytest.mark.parametrize("bad, word", [(b"\xe9", "0xe9"), (b"\0", "0x00"), (b"\xff\xfe", "0xff")])
    def test_a_stray_byte(self, tmp_path, bad, word):
        path = tmp_path / "m.i"
        path.write_bytes(ELASTICITY.encode().replace(b"elasticity", b"elasti" + bad))
        with pytest.raises(ValueError, match=f"m.i:2: byte {word} is no text"):
            load_input(path)

    def test_a_stray_byte_in_a_comment(self, tmp_path):
        path = tmp_path / "m.i"
        path.write_bytes(b"# caf\xe9\n" + ELASTICITY.encode())
        load_input(path).get_model("elasticity")

    def test_a_character_that_has_no_place(self):
        refused("\u00e9 = 1\n", "m.i:1", "U+00E9")

    @pytest.mark.parametrize(
        "text",
        [
            "[a]\n" * 8000 + "[]\n" * 8000,
            "[a]\n" * 8000,
            f"[{'a/' * 8000}b]\n[]\n",
            "a/" * 8000 + "b = 1\n",
        ],
    )
    def test_blocks_nested_deep(self, text):
        refused(text, "m.i:", "nested more than 64 deep")

    @pytest.mark.parametrize(
        "lines", [["E = ${E}"], ["E = ${F}", "F = ${E}"], ["E = '1 ${raw ${F} x}'", "F = ${G}", "G = ${replace E}"]]
    )
    def test_values_that_refer_to_themselves(self, lines):
        text = "\n".join(lines) + "\n" + ELASTICITY.replace("200e3", "${E}")
        with pytest.raises(RecursionError, match=r"m.i:\d+: \[Models/elasticity\] option 'coefficients': .*E -> "):
            load_string(text, name="m.i").get_model("elasticity")

    @pytest.mark.parametrize(
        "lines",
        [
            ["x0 = 1", *(f"x{i} = ${{x{i - 1}}}" for i in range(1, 5000)), "E = ${x4999}"],
            ["x0 = 1", *(f"x{i} = '${{x{i - 1}}} ${{x{i - 1}}}'" for i in range(1, 60)), "E = ${x59}"],
            ["x0 = ''", *(f"x{i} = '${{x{i - 1}}}${{x{i - 1}}}'" for i in range(1, 60)), "E = ${x59}"],
            ["E = " + "${raw " * 5000 + "1" + "}" * 5000],
        ],
    )
    def test_references_without_measure(self, lines):
        text = "\n".join(lines) + "\n" + ELASTICITY.replace("200e3", "${E}")
        with pytest.raises(ValueError, match=r"m.i:\d+: \[Models/elasticity\] option 'coefficients': .*more than"):
            load_string(text, name="m.i").get_model("elasticity")

    def test_a_value_that_is_missing_says_what_to_append(self):
        with pytest.raises(ValueError, match=r"append.*'nbatch=VALUE'"):
            load_string(ELASTICITY.replace("200e3", "${nbatch}")).get_model("elasticity")

    def test_a_value_of_the_environment_is_not_read_again(self, monkeypatch):
        monkeypatch.setenv("HOSTILE", "${E}")
        text = "[Tensors]\n  [a]\n    type = Python\n    expr = '''len('${env HOSTILE}')'''\n  []\n[]\nE = ${E}\n"
        assert load_string(text).get_tensor("a") == 4

    def test_a_file_that_includes_itself(self, tmp_path):
        path = tmp_path / "m.i"
        path.write_text("# first\n!include m.i\n")
        with pytest.raises(ValueError, match=r"m.i:2: the file includes itself: .*m.i -> .*m.i"):
            load_input(path)

    def test_a_ring_of_includes(self, tmp_path):
        (tmp_path / "inner").mkdir()
        (tmp_path / "m.i").write_text("!include inner/n.i\n")
        (tmp_path / "inner" / "n.i").write_text("\n!include ../m.i\n")
        with pytest.raises(ValueError, match=r"n.i:2: the file includes itself"):
            load_input(tmp_path / "m.i")

    def test_includes_that_double(self, tmp_path):
        (tmp_path / "x0.i").write_text("# leaf\n")
        for i in range(1, 30):
            (tmp_path / f"x{i}.i").write_text(f"!include x{i - 1}.i\n" * 2)
        with pytest.raises(ValueError, match=r"more than 1000 includes"):
            load_input(tmp_path / "x29.i")

    def test_an_include_stands_where_it_is_written(self, tmp_path):
        (tmp_path / "part.i").write_text("coefficients = '5 0.3'")
        lines = ELASTICITY.splitlines()
        (tmp_path / "m.i").write_text("\n".join([*lines[:3], "  !include part.i # text", *lines[4:], ""]))
        assert load_input(tmp_path / "m.i").get_model("elasticity").get_parameter("E").item() == 5.0

    @pytest.mark.parametrize(
        "part, word", [("[Models]\n", "is not closed"), ("[]\n", "closes no block"), ("x = 1\nx = 2\n", "duplicate")]
    )
    def test_what_is_wrong_in_an_included_file(self, tmp_path, part, word):
        (tmp_path / "part.i").write_text(part)
        (tmp_path / "m.i").write_text("\n!include part.i\n")
        with pytest.raises(ValueError, match=rf"part.i:\d: .*{word}"):
            load_input(tmp_path / "m.i")

    def test_includes_in_comments_and_quotes_are_none(self):
        text = ELASTICITY + "# !include nothing.i\nx = '\n!include nothing.i\n'\ny = '''\n!include nothing.i # '\n'''\n"
        load_string(text)

    @pytest.mark.parametrize("text", ["x = 'a\n", "x = 'a \" b'\n", "x = 'a # b'\n", 'x = "a\n'])
    def test_quotes(self, text):
        refused("# one\n" + text, "m.i:2", "quote")

    def test_a_folder_a_device_and_a_missing_file(self, tmp_path):
        for path in (tmp_path, tmp_path / "no.i", "/dev/null"):
            with pytest.raises(FileNotFoundError, match=str(path)):
                load_input(path)
        (tmp_path / "m.i").write_text("!include .\n")
        with pytest.raises(ValueError, match=r"m.i:1: cannot open include file '.'"):
            load_input(tmp_path / "m.i")

    def test_long_values(self):
        word = "a" * 1_000_000
        text = f"[Tensors]\n  [a]\n    type = Python\n    expr = '''len('{word}')'''\n  []\n[]\n"
        assert load_string(text).get_tensor("a") == 1_000_000
