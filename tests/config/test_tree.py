"""The settings tree: which values are taken, which are refused, and that nothing changes later."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from pydantic import ValidationError

from fewshot.config.base import Settings
from fewshot.config.tree import (
    AugmentationSettings,
    DataSettings,
    DetectorSettings,
    FinalSettings,
    MergeSettings,
    PhantomData,
    RadiologistSettings,
    RunSettings,
)

PHANTOM: dict[str, Any] = {"phantom": {}}
LEARNS_UNLABELLED = {"kind": "semantic", "ema": 0.9, "consistency": {"weight": 1.0}}
PASTING = {"experimental": {"final_augmentation": {"copy_paste": 0.5}}}
FILES = {"train_images": "X", "train_labels": "Y.csv", "test_images": "T"}


def refused(words: str) -> AbstractContextManager[Any]:
    return pytest.raises(ValidationError, match=words)


@pytest.mark.parametrize(
    ("model", "values", "raises"),
    [
        # One source of data, no more and no less.
        (DataSettings, PHANTOM, nullcontext()),
        (DataSettings, FILES, nullcontext()),
        (DataSettings, {}, refused("or phantom")),
        (DataSettings, {"train_labels": "Y.csv"}, refused("or phantom")),
        # Labels may lie beside the images, and validation slices may be answered.
        (DataSettings, {"train_images": "X"}, nullcontext()),
        (DataSettings, {"train_images": "X", "test_labels": "Y"}, refused("without test_images")),
        (DataSettings, {"train_images": "X", "test_groups": "g"}, refused("without test_images")),
        (DataSettings, {**PHANTOM, "window": "lung"}, refused("both phantom and files")),
        (DataSettings, {**FILES, "spacing": [0.1, 0.1, 2]}, nullcontext()),
        (DataSettings, {**FILES, "spacing": [0.1, 0, 2]}, refused("greater than 0")),
        (DataSettings, {**FILES, **PHANTOM}, refused("both phantom and files")),
        # Groups or labels beside a phantom would be ignored.
        (DataSettings, {**PHANTOM, "groups": "g.csv"}, refused("both phantom and files")),
        (DataSettings, {**PHANTOM, "test_labels": "Y.csv"}, refused("both phantom and files")),
        (DataSettings, {**PHANTOM, "test_groups": "g.csv"}, refused("both phantom and files")),
        (DataSettings, {**PHANTOM, "labelled": "auto"}, nullcontext()),
        (DataSettings, {**PHANTOM, "labelled": 5}, nullcontext()),
        (DataSettings, {**PHANTOM, "labelled": 0}, refused("greater than or equal to 1")),
        (DataSettings, {**PHANTOM, "labelled": "all"}, refused("auto")),
        (DataSettings, {**PHANTOM, "validation_fraction": 1}, refused("less than 1")),
        # Numbers as text come from the environment.
        (DetectorSettings, {"batch_size": "4"}, nullcontext()),
        (DetectorSettings, {"batch_size": "four"}, refused("integer")),
        (DetectorSettings, {"batch_size": 1.5}, refused("integer")),
        (DetectorSettings, {"batch_size": 0}, refused("greater than or equal to 1")),
        # YAML's `yes` is no number and its `no` is no word.
        (DetectorSettings, {"batch_size": True}, refused("cannot be true or false")),
        (DetectorSettings, {"weight_decay": False}, refused("cannot be true or false")),
        (DetectorSettings, {"weights": False}, refused("cannot be true or false")),
        (DetectorSettings, {"mixed_precision": "off"}, nullcontext()),
        (DetectorSettings, {"mixed_precision": True}, refused("cannot be true or false")),
        # Detectron2's own keys come in pairs.
        (DetectorSettings, {"options": ["A.B", 1, "A.C", [1, 2]]}, nullcontext()),
        (DetectorSettings, {"options": ["A.B"]}, refused("each followed by its value")),
        (RunSettings, {"data": PHANTOM, "device": "tpu"}, refused("'auto', 'cpu' or 'cuda'")),
        # Strengths are fractions; a scale of 1 would shrink a slice to nothing.
        (AugmentationSettings, {"flip": False, "scale": 0}, nullcontext()),
        (AugmentationSettings, {"scale": 1}, refused("less than 1")),
        (AugmentationSettings, {"noise": -0.1}, refused("greater than or equal to 0")),
        (AugmentationSettings, {"rotation": float("nan")}, refused("finite")),
        (AugmentationSettings, {"rotation": float("inf")}, refused("finite")),
        # Names become folders.
        (RadiologistSettings, {"name": "Rough-2_b"}, nullcontext()),
        (RadiologistSettings, {"name": "../rough"}, refused("pattern")),
        (RadiologistSettings, {"name": ""}, refused("pattern")),
        (RadiologistSettings, {"name": "0"}, refused("pattern")),
        (RadiologistSettings, {"name": "x" * 33}, refused("pattern")),
        (RadiologistSettings, {}, refused("Field required")),
        (RadiologistSettings, {"name": "a", "learning_rate": 0}, refused("greater than 0")),
        (RadiologistSettings, {"name": "a", "score_threshold": "auto"}, refused("number")),
        (FinalSettings, {"score_threshold": "auto"}, nullcontext()),
        (FinalSettings, {"score_threshold": 1}, refused("less than 1")),
        (MergeSettings, {"min_area": 0}, nullcontext()),
        (MergeSettings, {"min_area": -1}, refused("greater than or equal to 0")),
        (MergeSettings, {"background": "fill"}, refused("'auto', 'keep' or 'nearest'")),
        (PhantomData, {"size": 2048}, refused("less than or equal to 1024")),
        # Radiologists are told apart by name, and share folders with the final model's.
        (RunSettings, {"data": PHANTOM}, nullcontext()),
        (RunSettings, {}, refused("Field required")),
        (RunSettings, {"data": PHANTOM, "radiologists": []}, refused("at least 1")),
        (
            RunSettings,
            {"data": PHANTOM, "radiologists": [{"name": "a"}, {"name": "a"}]},
            refused("must differ, got a, a"),
        ),
        (
            RunSettings,
            {"data": PHANTOM, "radiologists": [{"name": "final"}]},
            refused("'final' is reserved"),
        ),
        (
            RunSettings,
            {"data": PHANTOM, "radiologists": [{"name": "control-a"}]},
            refused("'control-a' is reserved"),
        ),
        (RunSettings, {"data": PHANTOM, "seed": 2**31}, refused("less than")),
        (
            RunSettings,
            {"data": PHANTOM, "soft_labels": {"assignment": "vote", "mask_source": "fine"}},
            nullcontext(),
        ),
        (
            RunSettings,
            {"data": PHANTOM, "soft_labels": {"assignment": "vote", "mask_source": "net"}},
            refused("one of at least two radiologists, not 'net'; there are rough"),
        ),
        (RunSettings, {"data": PHANTOM, "prediction": {"refine_with": "fine"}}, nullcontext()),
        (
            RunSettings,
            {"data": PHANTOM, "prediction": {"refine_with": "net"}},
            refused("prediction.refine_with: 'net' is not a radiologist; there are rough"),
        ),
        (
            RunSettings,
            {"data": PHANTOM, "soft_labels": {"mask_source": "fine"}},
            refused("needs soft_labels.assignment=vote"),
        ),
        (
            RunSettings,
            {"data": PHANTOM, "final": {"model": {**LEARNS_UNLABELLED}}},
            refused("only radiologists can use it"),
        ),
        (
            RunSettings,
            {"data": PHANTOM, "radiologists": [{"name": "net", "model": {**LEARNS_UNLABELLED}}]},
            nullcontext(),
        ),
        # Only a Mask R-CNN knows structures apart that could be pasted.
        (RunSettings, {"data": PHANTOM, **PASTING}, nullcontext()),
        (
            RunSettings,
            {"data": PHANTOM, **PASTING, "final": {"model": {"kind": "semantic"}}},
            refused("copy_paste: needs a Mask R-CNN"),
        ),
    ],
)
def test_values(
    model: type[Settings], values: dict[str, Any], raises: AbstractContextManager[Any]
) -> None:
    with raises:
        model.model_validate(values)


def models(model: type[Settings] = Settings) -> list[type[Settings]]:
    found = [below for child in model.__subclasses__() for below in (child, *models(child))]
    return [one for one in found if one.__module__.startswith("fewshot.")]


@pytest.mark.parametrize("model", models(), ids=lambda model: str(model.__name__))
def test_every_part_refuses_unknown_keys_and_later_changes(model: type[Settings]) -> None:
    with refused("Extra inputs are not permitted"):
        model.model_validate({"no_such_key": 1})
    values: dict[str, Any] = {"data": PHANTOM} if model is RunSettings else {"name": "rough"}
    if model is DataSettings:
        values = PHANTOM
    settings = model.model_validate({k: v for k, v in values.items() if k in model.model_fields})
    with refused("frozen"):
        setattr(settings, next(iter(model.model_fields)), 1)


def test_a_bare_off_in_yaml_turns_mixed_precision_off() -> None:
    settings = DetectorSettings.model_validate({"mixed_precision": False})
    assert settings.mixed_precision == "off"


def test_three_radiologists_by_default_as_in_the_report() -> None:
    settings = RunSettings(data=DataSettings(phantom=PhantomData()))
    assert len(settings.radiologists) == 3
    assert all(
        radiologist.score_threshold == settings.radiologists[0].score_threshold
        for radiologist in settings.radiologists
    )
