"""Help: at once, in the order of the work, and about every option."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import typer.main

import fewshot as package
from fewshot.cli.app import app

Call = Callable[..., tuple[int, str, str]]

ORDER = [
    "demo",
    "run",
    "phantom",
    "convert",
    "train-radiologists",
    "soft-label",
    "train-final",
    "predict",
    "merge",
    "submit",
    "baseline",
    "review",
    "report",
    "look",
    "export",
    "volume",
    "volume-agreement",
    "score",
    "validate",
    "doctor",
]
# What scripts call, beside --json, which every command has.
CONTRACT: Mapping[str, set[str]] = {
    "demo": {"--out", "--resume", "--overwrite", "--set", "--seed", "--device"},
    "run": {
        *("--config", "--out", "--set", "--resume", "--overwrite", "--dry-run"),
        *("--seed", "--device", "--control"),
    },
    "phantom": {"--out", "--size", "--labelled", "--unlabelled", "--test", "--seed"},
    "convert": {"--images", "--labels", "--groups", "--test", "--check", "--out", "--seed"},
    "train-radiologists": {"--data", "--out", "--config", "--set", "--only", "--seed", "--device"},
    "soft-label": {"--data", "--radiologists", "--out", "--config", "--set", "--seed", "--device"},
    "train-final": {
        *("--data", "--soft-labels", "--review", "--out", "--config", "--set", "--seed"),
        "--device",
    },
    "predict": {"--model", "--data", "--images", "--refine-with", "--out", "--device"},
    "merge": {"--predictions", "--truth", "--truth-predictions", "--score-threshold", "--out"},
    "submit": {"--merged", "--form", "--out"},
    "baseline": {
        *("--images", "--data", "--labels", "--groups", "--out", "--preprocess", "--table"),
        *("--slices", "--config", "--set", "--workers"),
    },
    "sam embed": {"--checkpoint", "--data", "--out"},
    "sam refine": {"--checkpoint", "--predictions", "--truth", "--truth-predictions", "--out"},
    "sam auto": {"--checkpoint", "--data", "--out"},
    "sam prompt": {"--checkpoint", "--boxes", "--data", "--whole-slice", "--out"},
    "sam finetune": {"--checkpoint", "--data", "--out", "--train", "--prompts", "--stop-after"},
    "sam compare": {"--checkpoint", "--data", "--out"},
    "sam study": {"--checkpoint", "--data", "--out", "--phase"},
    "review": {"--port"},
    "report": {"--out"},
    "look": {"--out", "--images", "--slices"},
    "export": {"--masks", "--form", "--score-threshold", "--background", "--out"},
    "score": {"--truth", "--submission"},
    "validate": {"--images"},
    "doctor": set(),
    "annotations extract": {"--captures", "--images", "--colour", "--size", "--spacing", "--out"},
    "volume": {"--masks", "--spacing", "--link", "--mesh", "--grid", "--annotator", "--out"},
    "volume-agreement": {"--model", "--annotator", "--model-seconds", "--out"},
}
HEAVY = {"torch", "torchvision", "detectron2", "cv2", "scipy", "skimage", "sklearn", "pandas"}
HELP_IN_A_FRESH_PROCESS = """
import sys
from fewshot.cli.app import main
sys.argv = ["fewshot", *{arguments}]
try:
    main()
finally:
    print("loaded:", *sorted({heavy} & set(sys.modules)))
"""


def leaves(group: Any, before: str = "") -> dict[str, Any]:
    """Return the commands below a group by what a user types: `run`, `annotations extract`."""
    found: dict[str, Any] = {}
    for name, one in vars(group)["commands"].items():
        path = f"{before}{name}"
        found |= leaves(one, f"{path} ") if "commands" in vars(one) else {path: one}
    return found


top = typer.main.get_command(app)
commands = leaves(top)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = HELP_IN_A_FRESH_PROCESS.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]


def test_help_lists_the_commands_in_the_order_of_the_work(fewshot: Call) -> None:
    code, out, err = fewshot("--help")
    assert (code, err) == (0, "")
    below = vars(top)["commands"]
    found = [word for word in re.findall(r"^│ ([a-z-]+) ", out, re.MULTILINE) if word in below]
    # A group of commands is listed with its panel, but after the commands in Typer's own order.
    groups = {name for name, one in below.items() if "commands" in vars(one)}
    assert groups <= set(found)
    assert [one for one in found if one not in groups] == [
        one for one in below if one not in groups
    ]
    assert [name for name in found if name in CONTRACT] == ORDER


def test_without_a_command_the_help_is_shown(fewshot: Call) -> None:
    code, out, _ = fewshot()
    assert code == 2
    assert "demo" in out


def test_version(fewshot: Call) -> None:
    assert fewshot("--version") == (0, f"fewshot {package.__version__}\n", "")


@pytest.mark.parametrize("name", list(commands))
def test_help_says_something_about_every_option(
    fewshot: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    code, out, err = fewshot(*name.split(), "--help")
    assert (code, err) == (0, "")
    for parameter in commands[name].params:
        name_first = rf"^│[ *]+{re.escape(parameter.opts[-1])}\s.*$"
        line = re.search(name_first, out, re.MULTILINE)
        assert line, parameter.opts
        assert parameter.help
        assert parameter.help in line[0]
    options = {option for parameter in commands[name].params for option in parameter.opts}
    assert CONTRACT.get(name, set()) | {"--json"} <= options
    assert commands[name].help.splitlines()[0] in out
