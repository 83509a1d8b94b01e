"""A teacher that renews soft labels: when it does, when it stops, and that it resumes exactly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.structures import Instances
from torch import nn

from fewshot.config.tree import (
    AugmentationSettings,
    DetectorSettings,
    TeacherSettings,
    TrainingSettings,
)
from fewshot.detector.data import Sample, TrainingSamples
from fewshot.detector.teacher import Renewal, Teacher
from fewshot.detector.training import CURVES, TrainingJob, train_detector
from fewshot.files import read_json_lines
from fewshot.masks.coco import SliceSet
from fewshot.training.sampling import TrainingSource

SIZE = 32


class Oracle(nn.Module):
    """Finds the same squares, with given scores, wherever it looks."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = scores
        self.seen: list[torch.Tensor] = []

    def forward(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.seen += [one["image"] for one in inputs]
        found = Instances((SIZE, SIZE))
        found.scores = torch.tensor(self.scores)
        found.pred_masks = torch.zeros(len(self.scores), SIZE, SIZE, dtype=torch.bool)
        for place, mask in enumerate(found.pred_masks):
            mask[4 * place : 4 * place + 3, :3] = True
        return [{"instances": found} for _ in inputs]


def teacher_of(network: nn.Module, most_masks: float = 100, **settings: Any) -> Teacher:
    asked = TeacherSettings(**{"renew": True, "burn_in": 10, "uncertain": 0.3, **settings})
    return Teacher(Renewal(asked, most_masks), lambda: network)


def batch() -> list[Sample]:
    blank = Instances((SIZE, SIZE))
    blank.gt_classes = torch.zeros(0, dtype=torch.int64)
    plain = {"image": torch.ones(3, SIZE, SIZE), "instances": blank, "height": SIZE, "width": SIZE}
    return [plain, {**plain, "weak_image": torch.zeros(3, SIZE, SIZE)}]


def test_only_samples_with_a_weak_image_are_taught_and_by_that_image() -> None:
    oracle = Oracle(0.9, 0.5, 0.1)
    given = batch()
    labelled, taught = teacher_of(oracle).relabel(given, iteration=10)
    assert labelled is given[0]
    assert [float(image.max()) for image in oracle.seen] == [0.0]
    assert taught["image"] is given[1]["image"]
    # 0.9 is a label, 0.5 an ignore region, 0.1 nothing.
    assert taught["instances"].gt_certain.tolist() == [True, False]
    assert taught["instances"].gt_boxes.tensor.tolist() == [[0, 0, 3, 3], [0, 4, 3, 7]]
    assert len(given[1]["instances"]) == 0


def test_the_soft_labels_stay_as_they_are_before_the_burn_in() -> None:
    given = batch()
    assert teacher_of(Oracle(0.9)).relabel(given, iteration=9) == given


def test_a_runaway_teacher_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    teacher = teacher_of(Oracle(0.9, 0.9, 0.9), most_masks=2.5)
    given = batch()
    for _ in range(200):
        assert len(teacher.relabel(given, 20)[1]["instances"]) == 3
    assert teacher.relabel(given, 21) == given
    assert "3.0 masks a slice" in capsys.readouterr().err


def test_a_teacher_that_gets_no_better_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    teacher = teacher_of(Oracle(0.9), patience=2)
    for iteration, score in enumerate([0.9, 0.1, 0.5, 0.4, 0.6, 0.6]):
        teacher.judge(score, iteration=9 + iteration)  # the first is before the burn-in
        assert len(teacher.relabel(batch(), 20)[1]["instances"]) == 1
    teacher.judge(0.5, iteration=15)
    assert len(teacher.relabel(batch(), 20)[1]["instances"]) == 0
    assert "no better" in capsys.readouterr().err


def test_the_state_goes_on_where_it_was() -> None:
    one = teacher_of(Oracle(0.9, 0.9, 0.9), most_masks=2.5)
    for _ in range(150):
        one.relabel(batch(), 20)
    other = teacher_of(Oracle(0.9, 0.9, 0.9), most_masks=2.5)
    other.load_state_dict(one.state_dict())
    for _ in range(50):
        other.relabel(batch(), 20)
    assert len(other.relabel(batch(), 20)[1]["instances"]) == 0


def test_a_weak_image_is_the_slice_before_its_grey_levels_change(miniature: SliceSet) -> None:
    still = AugmentationSettings(flip=False, rotation=0, scale=0, shift=0, noise=0.1)
    source = TrainingSource(miniature.subset([0]), renewed=True)
    sample = TrainingSamples([source], still, seed=0)[0]
    plain = TrainingSamples(
        [replace(source, renewed=False)],
        still.model_copy(update={"noise": 0.0, "contrast": 0.0, "brightness": 0.0}),
        seed=0,
    )[0]
    assert torch.equal(sample["weak_image"], plain["image"])
    assert not torch.equal(sample["weak_image"], sample["image"])


@pytest.mark.slow
def test_a_taught_training_resumes_exactly(
    miniature: SliceSet,
    small_detector: DetectorSettings,
    gentle: AugmentationSettings,
    tmp_path: Path,
) -> None:
    settings = TeacherSettings(renew=True, burn_in=2, score_threshold=0.06, uncertain=0.05)
    detector = small_detector.model_copy(
        update={"checkpoint_period": 3, "evaluation_period": 2, "ema": 0.5}
    )
    job = TrainingJob(
        name="final",
        sources=[
            TrainingSource(miniature.subset([0, 1]), 0.5),
            TrainingSource(miniature.subset([2, 3]), 0.5, renewed=True),
        ],
        validation=miniature.subset([4]),
        detector=detector,
        augmentation=gentle,
        schedule=TrainingSettings(learning_rate=0.002, iterations=6),
        seed=3,
        renewal=Renewal(settings, most_masks=1000),
    )
    train_detector(job, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_detector(job, tmp_path / "parts", _stop_at(5))
    train_detector(job, tmp_path / "parts")
    whole, parts = (read_json_lines(tmp_path / one / CURVES) for one in ("whole", "parts"))
    assert whole == parts
    assert "validation/ari" in whole[-1]
    weights = [
        torch.load(tmp_path / one / "model.pth", weights_only=True)["model"]
        for one in ("whole", "parts")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    untaught = replace(
        job, renewal=None, sources=[replace(one, renewed=False) for one in job.sources]
    )
    train_detector(untaught, tmp_path / "untaught")
    losses = [line["total_loss"] for line in read_json_lines(tmp_path / "untaught" / CURVES)]
    same = np.equal(losses, [line["total_loss"] for line in whole])
    assert same[:2].all()
    assert not same[2:].all()


def _stop_at(iteration: int) -> Callable[[int, str], None]:
    def advance(done: int, _note: str) -> None:
        if done == iteration:
            raise KeyboardInterrupt

    return advance
