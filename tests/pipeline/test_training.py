"""Training as a stage: what a model is trained on, and from where it starts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fewshot.config.load import parse_settings
from fewshot.config.tree import SoftLabelSettings
from fewshot.errors import InputError
from fewshot.files import write_json
from fewshot.masks.coco import SliceSet, write_coco
from fewshot.pipeline.training import (
    PlannedTraining,
    SoftTraining,
    WarmStart,
    plan_training,
    train_model,
)

HALF = SoftLabelSettings(labelled_share=0.5)


def describe(folder: Path, precision: float) -> Path:
    described = {"kind": "mask_rcnn", "name": folder.name, "iterations": 1, "settings": {}}
    write_json(folder / "model.json", {**described, "validation": {"ap": precision}})
    return folder


def with_job(planned: PlannedTraining, **changes: Any) -> PlannedTraining:
    return replace(planned, job=replace(planned.job, **changes))


def parameters(folder: Path) -> torch.Tensor:
    state = torch.load(folder / "model.pth", weights_only=True)["model"]
    return torch.cat([value.double().ravel() for value in state.values()])


@pytest.fixture
def soft(miniature: SliceSet, tmp_path: Path) -> SoftTraining:
    """Two slices of which the true masks are the soft labels."""
    write_coco(tmp_path / "soft.json", miniature.subset([3, 4]), "soft labels")
    return SoftTraining(tmp_path / "soft.json", HALF)


# What a run's settings say of its models


def test_final_and_control_differ_in_their_data_alone() -> None:
    settings = parse_settings(
        {"data": {"phantom": {}}, "experimental": {"final_augmentation": {"gamma": 0.3}}, "seed": 2}
    )
    soft = SoftTraining(Path("soft.json"), settings.soft_labels)
    final = plan_training(settings, "final", Path("data"), soft)
    control = plan_training(settings, "control", Path("data"))
    assert replace(with_job(final, name="control"), soft=None) == control
    assert final.job.augmentation.gamma == 0.3
    rough = plan_training(settings, "rough", Path("data"))
    assert rough.job.augmentation.gamma == 0
    assert (
        len({final.job.seed, rough.job.seed, plan_training(settings, "fine", Path()).job.seed}) == 3
    )


def test_a_warm_start_needs_radiologists() -> None:
    settings = parse_settings({"data": {"phantom": {}}, "final": {"warm_start": True}})
    with pytest.raises(InputError, match=r"final\.warm_start: needs the radiologists"):
        plan_training(settings, "final", Path("data"))
    known = WarmStart({}, Path("weights.json"))
    for name in ("final", "control"):
        assert plan_training(settings, name, Path("data"), None, known).warm_start == known
    assert plan_training(settings, "rough", Path("data"), None, known).warm_start is None


def test_a_control_starts_from_none_that_saw_unlabelled_slices() -> None:
    known = WarmStart({}, Path("weights.json"))

    def started(consistency: float) -> list[str | None]:
        net = {
            "name": "net",
            "model": {
                "kind": "semantic",
                "encoder": "resnet18",
                "ema": 0.9,
                "consistency": {"weight": consistency},
            },
        }
        settings = parse_settings(
            {
                "data": {"phantom": {}},
                "radiologists": [{"name": "rough"}, net],
                "final": {"warm_start": "net"},
            }
        )
        soft = SoftTraining(Path("soft.json"), settings.soft_labels)
        final = plan_training(settings, "final", Path("data"), soft, known).warm_start
        control = plan_training(settings, "control", Path("data"), None, known).warm_start
        return [None if one is None else one.source for one in (final, control)]

    assert started(1.0) == ["net", None]
    assert started(0.0) == ["net", "net"]


def test_a_twin_is_its_radiologist_without_unlabelled_slices() -> None:
    net = {
        "name": "net",
        "iterations": 7,
        "model": {
            "kind": "semantic",
            "encoder": "resnet18",
            "ema": 0.9,
            "consistency": {"weight": 1.0},
        },
    }
    tree = {"data": {"phantom": {}}, "radiologists": [{"name": "rough"}, net], "seed": 3}

    def twins(*overrides: str, control: bool = True) -> dict[str, str]:
        return parse_settings({**tree, "control": control}, [*overrides]).twins

    assert twins() == {}
    assert twins("prediction.refine_with=net", control=False) == {}
    assert twins("prediction.refine_with=rough") == {}
    for part in ("prediction.refine_with=net", "prediction.ensemble=true", "final.warm_start=net"):
        assert twins(part) == {"net": "control-net"}
    assert twins("final.warm_start=net", "radiologists.net.model.consistency.weight=0") == {}

    settings = parse_settings({**tree, "control": True}, ["final.warm_start=net"])
    net_, twin = (plan_training(settings, name, Path("data")) for name in ("net", "control-net"))
    assert net_.unlabelled == Path("data/unlabelled.json")
    assert twin.unlabelled is None
    assert not twin.job.settings.learns_unlabelled
    assert (
        replace(
            twin,
            job=replace(twin.job, name="net", settings=net_.job.settings),
            unlabelled=net_.unlabelled,
        )
        == net_
    )
    lent = WarmStart({"net": Path("control-net")}, Path("weights.json"), supervised=True)
    control = plan_training(settings, "control", Path("data"), None, lent).warm_start
    assert control == replace(lent, source="net")


# Training, with Detectron2


@pytest.mark.slow
def test_soft_labels_take_part_and_none_at_all_is_a_warning(
    job: PlannedTraining,
    soft: SoftTraining,
    miniature: SliceSet,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    none = SoftTraining(tmp_path / "none.json", HALF)
    write_coco(none.annotations, replace(miniature, masks={}), "no soft labels")
    train_model(job, tmp_path / "alone")
    assert "warning" not in capfd.readouterr().err
    train_model(replace(job, soft=none), tmp_path / "none")
    assert "none.json: contains no soft labels" in capfd.readouterr().err
    train_model(replace(job, soft=soft), tmp_path / "soft")
    alone = parameters(tmp_path / "alone")
    assert torch.equal(parameters(tmp_path / "none"), alone)
    assert not torch.equal(parameters(tmp_path / "soft"), alone)


@pytest.mark.slow
def test_uncertain_masks_are_no_labels(
    job: PlannedTraining, soft: SoftTraining, miniature: SliceSet, tmp_path: Path
) -> None:
    """Half of the masks as labels: the others as ignore regions are not as if they were absent."""
    halves = [miniature.with_masks([]), miniature.with_masks([])]
    for number in range(2):
        masks = [miniature.masks_of(image_id) for image_id in (3, 4)]
        halves[number] = miniature.subset([3, 4]).with_masks(
            one.select([place % 2 == number for place in range(len(one))]) for one in masks
        )
    write_coco(soft.annotations, halves[0], "soft labels")
    write_coco(tmp_path / "uncertain.json", halves[1], "uncertain")
    train_model(replace(job, soft=soft), tmp_path / "absent")
    ignoring = replace(soft, uncertain=tmp_path / "uncertain.json")
    train_model(replace(job, soft=ignoring), tmp_path / "ignored")
    assert not torch.equal(parameters(tmp_path / "absent"), parameters(tmp_path / "ignored"))


@pytest.mark.slow
def test_a_warm_start_is_from_the_best_radiologist(job: PlannedTraining, tmp_path: Path) -> None:
    train_model(with_job(job, seed=4), tmp_path / "good")
    write_json(tmp_path / "weights.json", {"weights": {"bad": 0.2, "good": 0.8}})
    known = WarmStart(
        {name: tmp_path / name for name in ("bad", "good")}, tmp_path / "weights.json"
    )
    slowly = job.job.schedule.model_copy(update={"learning_rate": 1e-9, "iterations": 1})
    train_model(replace(with_job(job, schedule=slowly), warm_start=known), tmp_path / "model")
    start, end = parameters(tmp_path / "good"), parameters(tmp_path / "model")
    cold = tmp_path / "cold"
    train_model(with_job(job, schedule=slowly), cold)
    assert (start - end).abs().mean() < 0.1 * (start - parameters(cold)).abs().mean()


@pytest.mark.slow
def test_a_named_radiologist_lends_its_weights(job: PlannedTraining, tmp_path: Path) -> None:
    train_model(with_job(job, seed=4), tmp_path / "named")
    known = WarmStart({"named": tmp_path / "named"}, tmp_path / "none.json", "named")
    slowly = job.job.schedule.model_copy(update={"learning_rate": 1e-9, "iterations": 1})
    train_model(replace(with_job(job, schedule=slowly), warm_start=known), tmp_path / "model")
    train_model(with_job(job, schedule=slowly), tmp_path / "cold")
    start, end, cold = (parameters(tmp_path / name) for name in ("named", "model", "cold"))
    assert (start - end).abs().mean() < 0.1 * (start - cold).abs().mean()


def test_nothing_to_train_on_is_refused(
    job: PlannedTraining, miniature: SliceSet, tmp_path: Path
) -> None:
    write_coco(job.train, miniature.subset([]), "no slices")
    with pytest.raises(InputError, match=r"train\.json: contains no slices"):
        train_model(job, tmp_path / "model")
    assert not (tmp_path / "model").exists()
