"""Models of every kind behind one interface: trained, described, loaded, asked, voting together."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fewshot.config.load import parse_settings
from fewshot.config.network import ScheduleSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import (
    AugmentationSettings,
    DetectorSettings,
    ModelSettings,
    RunSettings,
    ViewSettings,
)
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet
from fewshot.models.ensemble import predict_together
from fewshot.models.registry import load_model, train_model
from fewshot.radiologists.soft_labels import Radiologists
from fewshot.training.job import TrainingJob
from fewshot.training.model_folder import describe_model
from fewshot.training.sampling import TrainingSource

SEMANTIC = SemanticSettings(encoder="tu-mobilenetv3_small_050", batch_size=2)


@pytest.fixture(scope="module")
def trained(
    miniature: SliceSet,
    small_detector: DetectorSettings,
    gentle: AugmentationSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """A folder of a model of each kind, trained for two iterations."""
    kinds: dict[str, ModelSettings] = {"mask_rcnn": small_detector, "semantic": SEMANTIC}
    folders = {}
    for kind, settings in kinds.items():
        folders[kind] = tmp_path_factory.mktemp(kind)
        job = TrainingJob(
            name=f"a_{kind}",
            sources=[TrainingSource(miniature)],
            validation=miniature.subset([0, 1]),
            settings=settings,
            augmentation=gentle,
            schedule=ScheduleSettings(learning_rate=0.001, iterations=2),
            seed=0,
        )
        train_model(job, folders[kind])
    return folders


@pytest.mark.parametrize("kind", ["mask_rcnn", "semantic"])
def test_a_folder_says_its_kind_and_is_loaded_as_that(
    trained: dict[str, Path], miniature: SliceSet, kind: str
) -> None:
    description = describe_model(trained[kind])
    assert (description.kind, description.iterations) == (kind, 2)
    assert 0 <= description.validation["ap"] <= 1
    assert {path.name for path in trained[kind].iterdir()} == {
        *("model.json", "model.pth", "training.jsonl", "time.json"),
    }
    model = load_model(trained[kind], "cpu")
    masks = list(model.predict(miniature, lambda done, note: None, ViewSettings(flip=True)))
    assert [one.image_id for one in masks] == [0, 1, 2, 3, 4, 5]
    assert model.name == f"a_{kind}"


def test_models_of_several_kinds_vote_together(
    trained: dict[str, Path], miniature: SliceSet
) -> None:
    models = [load_model(folder, "cpu") for folder in trained.values()]
    views = (ViewSettings(), ViewSettings(flip=True), ViewSettings(scale=1.5))
    masks = list(predict_together(models, miniature, "vote", None, views))
    assert len(masks) == len(miniature)
    assert {source for one in masks for source in one.sources} <= {"vote"}


def test_a_radiologist_must_be_the_one_that_its_name_says(trained: dict[str, Path]) -> None:
    names = [f"a_{kind}" for kind in trained]
    whole = Radiologists(dict(zip(names, trained.values(), strict=True)), {}, {}, "cpu")
    assert [model.name for model in whole.load().values()] == names
    swapped = Radiologists({"rough": trained["semantic"]}, {}, {}, "cpu")
    with pytest.raises(InputError, match="contains the model 'a_semantic', not 'rough'"):
        swapped.load()


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (None, "contains no trained model"),
        ("[]", "not a model's description"),
        ('{"kind": "semantic"}', "not a model's description"),
        (
            '{"kind": "sam", "name": "a", "iterations": 1, "validation": {}, "settings": {}}',
            "unknown kind of model 'sam'; there are mask_rcnn, semantic",
        ),
    ],
)
def test_other_folders_are_refused(tmp_path: Path, description: str | None, words: str) -> None:
    if description is not None:
        (tmp_path / "model.json").write_text(description)
    with pytest.raises(InputError, match=words):
        load_model(tmp_path)


def test_a_model_can_start_from_another_ones_weights(
    trained: dict[str, Path], miniature: SliceSet, gentle: AugmentationSettings, tmp_path: Path
) -> None:
    job = TrainingJob(
        name="second",
        sources=[TrainingSource(miniature)],
        validation=miniature.subset([0]),
        settings=SEMANTIC,
        augmentation=gentle,
        schedule=ScheduleSettings(iterations=1),
        seed=0,
        weights=trained["semantic"] / "model.pth",
    )
    train_model(job, tmp_path)
    with pytest.raises(InputError, match="does not fit: it lacks"):
        train_model(replace(job, weights=trained["mask_rcnn"] / "model.pth"), tmp_path / "other")


def test_settings_say_which_model_is_of_which_kind() -> None:
    tree: dict[str, Any] = {
        "data": {"phantom": {}},
        "radiologists": [
            {"name": "rough"},
            {"name": "net", "model": {"kind": "semantic", "network": "pan"}},
        ],
        "final": {"model": {"kind": "mask_rcnn", "experimental": {"gafl": True}}},
    }
    settings = RunSettings.model_validate(tree)
    assert [settings.model_of(name).kind for name in ("rough", "net", "final", "control")] == [
        *("mask_rcnn", "semantic", "mask_rcnn", "mask_rcnn"),
    ]
    assert not settings.detector.experimental.gafl
    again = RunSettings.model_validate(json.loads(settings.model_dump_json()))
    assert again == settings


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("final.model={kind: sam}", "final.model: the kinds of models are mask_rcnn and semantic"),
        ("final.model=4", "final.model: the kinds of models are mask_rcnn and semantic"),
        ("final.model={kind: semantic, network: segnet}", "final.model.network: .*'deeplabv3'"),
        (
            "final.model={kind: semantic, architecture: tiny}",
            "final.model.architecture: unknown key",
        ),
        ("final.model.kind=semantic", None),
        ("radiologists.rough.model.kind=semantic", None),
        (
            "final={warm_start: true, model: {kind: semantic}}",
            "final.warm_start: needs radiologists with the same model",
        ),
        ("final.warm_start=nobody", "final.warm_start: 'nobody' is not a radiologist"),
        (
            "radiologists=[{name: rough}, {name: net, model: {kind: semantic}}];"
            "final.warm_start=net",
            "final.warm_start: net and the final model are different models, and net is not a",
        ),
        (
            "radiologists=[{name: rough}, {name: net, model: {kind: semantic, encoder: resnet18}}];"
            "final.warm_start=net",
            None,
        ),
        ("final.warm_start=rough", None),
    ],
)
def test_a_models_settings_are_checked(override: str, words: str | None) -> None:
    tree: dict[str, Any] = {"data": {"phantom": {}}}
    overrides = override.split(";")
    if words is None:
        parse_settings(tree, overrides)
        return
    with pytest.raises(InputError, match=words) as told:
        parse_settings(tree, overrides)
    assert "kind:" not in str(told.value)
