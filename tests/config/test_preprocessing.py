"""Preprocessing as users write it: short forms, whole forms, and what is refused, in one line."""

import re
from typing import Any

import pytest
import yaml

from fewshot.config.load import dump_settings, parse_settings
from fewshot.config.preprocessing import (
    AS_READ,
    STEPS,
    ClaheStep,
    PreprocessSettings,
    SobelStep,
    TotalVariationStep,
)
from fewshot.config.tree import RunSettings
from fewshot.errors import InputError

CLAHE, TV = ClaheStep(), TotalVariationStep(weight=0.1)


def settings(text: str) -> RunSettings:
    return parse_settings({"data": {"phantom": {}}}, [f"preprocess={text}"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Nothing, however it is said.
        ("[]", AS_READ),
        ("{}", AS_READ),
        ("null", AS_READ),
        # A list stands for the steps, a name for a step with its default parameters.
        ("clahe", PreprocessSettings(steps=(CLAHE,))),
        ("[clahe, {step: tv, weight: 0.1}]", PreprocessSettings(steps=(CLAHE, TV))),
        ("{steps: [{step: clahe}]}", PreprocessSettings(steps=(CLAHE,))),
        (
            "{steps: [clahe], channels: [[], [{step: tv, weight: 0.1}], [sobel]]}",
            PreprocessSettings(steps=(CLAHE,), channels=((), (TV,), (SobelStep(),))),
        ),
        ("{input: colour}", PreprocessSettings(input="colour")),
    ],
)
def test_short_and_whole_forms(text: str, expected: PreprocessSettings) -> None:
    assert settings(text).preprocess == expected
    assert settings(text).preprocess.changes_nothing == (expected == AS_READ)


@pytest.mark.parametrize("name", STEPS)
def test_every_step_has_defaults_and_survives_the_resolved_file(name: str) -> None:
    made = settings(f"{{channels: [[], [{name}], [{name}, median]]}}")
    assert made.preprocess.channels is not None
    assert made.preprocess.channels[1][0].step == name
    assert parse_settings(yaml.safe_load(dump_settings(made))) == made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[clahee]", "preprocess.steps.0: unknown step; did you mean 'clahe'?, got 'clahee'"),
        ("[{step: blur}]", "unknown step 'blur'; known steps: clahe, bilateral, tv, median, so"),
        ("[{stp: tv}]", "preprocess.steps.0: write a step as its name, or as {step: tv, weight"),
        ("[3]", "preprocess.steps.0: write a step as its name"),
        ("[{step: [1]}]", "preprocess.steps.0: unknown step [1]; known steps: clahe"),
        ("{channels: [[], [], [sobol]]}", "preprocess.channels.2.0: unknown step; did you mean"),
        ("{channels: [[], []]}", "preprocess.channels: tuple should have at least 3 items"),
        ("{chanels: []}", "preprocess.chanels: unknown key; did you mean 'channels'?"),
        ("{input: rgb}", "preprocess.input: input should be 'grey' or 'colour', got 'rgb'"),
        # Parameters out of range, of another type, or of another step.
        ("[{step: tv, weigth: 1}]", "steps.0.tv.weigth: unknown key; did you mean 'weight'?"),
        ("[{step: sobel, sigma: 1}]", "steps.0.sobel.sigma: unknown key; known keys: step, gain"),
        ("[{step: tv, weight: 0}]", "tv.weight: input should be greater than or equal to 0.0001"),
        ("[{step: tv, weight: .nan}]", "tv.weight: input should be a finite number, got nan"),
        ("[{step: median, radius: 99}]", "median.radius: input should be less than or equal to 32"),
        ("[{step: median, radius: 1.5}]", "median.radius: input should be a valid integer"),
        ("[{step: clahe, tiles: 0}]", "clahe.tiles: input should be greater than or equal to 1"),
        ("[{step: canny, low: 9, high: 3}]", "canny: low must not be above high, got 9 and 3"),
        ("true", "preprocess: cannot be true or false"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as refusal:
        settings(text)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_sequence_has_an_end() -> None:
    steps: Any = ["median"] * 17
    with pytest.raises(InputError, match=r"steps: tuple should have at most 16 items"):
        settings(str(steps))
