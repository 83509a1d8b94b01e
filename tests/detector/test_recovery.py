"""What a training does when numbers, memory or slices fail it: real Detectron2 in miniature."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from detectron2.modeling import GeneralizedRCNN

from fewshot.config.recovery import RecoverySettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings, TrainingSettings
from fewshot.detector import step
from fewshot.detector.job import job_key
from fewshot.detector.model import describe_detector, load_detector
from fewshot.detector.prediction import predict_slices
from fewshot.detector.step import NotFiniteError
from fewshot.detector.training import CHECKPOINT, CURVES, TrainingJob, train_detector
from fewshot.errors import FewshotError, InputError
from fewshot.files import read_json_lines
from fewshot.masks.coco import SliceSet
from fewshot.slices.images import read_image, write_image
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.precision import Precision
from fewshot.training.sampling import TrainingSource

ITERATIONS = 4
Step = Callable[[Any, list[dict[str, Any]]], dict[str, torch.Tensor]]


@pytest.fixture
def job(
    miniature: SliceSet, small_detector: DetectorSettings, gentle: AugmentationSettings
) -> TrainingJob:
    return TrainingJob(
        name="steady",
        sources=[TrainingSource(miniature)],
        validation=miniature.subset([0]),
        detector=small_detector.model_copy(
            update={"batch_size": 1, "checkpoint_period": 2, "max_masks": 5}
        ),
        augmentation=gentle,
        schedule=TrainingSettings(learning_rate=0.001, iterations=ITERATIONS),
        seed=5,
    )


@pytest.fixture
def forward(monkeypatch: pytest.MonkeyPatch) -> Callable[[Step], None]:
    """`forward(replacement)` lets the network's own training step be called through another."""
    true = GeneralizedRCNN.forward

    def install(replacement: Step) -> None:
        def wrapped(network: Any, batch: list[dict[str, Any]]) -> Any:
            return replacement(lambda part: true(network, part), batch)

        monkeypatch.setattr(GeneralizedRCNN, "forward", wrapped)

    return install


def with_retries(job: TrainingJob, retries: int) -> TrainingJob:
    recovery = RecoverySettings(retries=retries, rate_factor=0.25)
    return replace(job, detector=job.detector.model_copy(update={"recovery": recovery}))


def poison(when: Callable[[int], bool], gradient_only: bool = False) -> Step:
    """A step whose losses, or only their gradients, are NaN in the training calls chosen."""
    calls = iter(range(1000))

    def stepped(true: Any, batch: list[dict[str, Any]]) -> Any:
        losses = true(batch)
        if not isinstance(losses, dict) or not when(next(calls)):
            return losses
        name, value = next(iter(losses.items()))
        # The square root of zero has an infinite slope: value 0, gradient NaN.
        bad = (value * 0).sqrt() if gradient_only else value * torch.nan
        return {**losses, name: value + bad}

    return stepped


@pytest.mark.parametrize(("gradient_only", "what"), [(False, "a loss"), (True, "the gradient")])
def test_bad_numbers_stop_the_training_before_they_reach_a_weight(
    job: TrainingJob,
    forward: Callable[[Step], None],
    tmp_path: Path,
    gradient_only: bool,
    what: str,
) -> None:
    forward(poison(lambda call: call >= 3, gradient_only))
    words = rf"iteration 3: {what} became infinite or NaN \(loss_cls .*loss_rpn_loc .*\d\.png"
    with pytest.raises(NotFiniteError, match=words):
        train_detector(job, tmp_path)
    assert not (tmp_path / "model.json").exists()
    kept = load_checkpoint(tmp_path / CHECKPOINT)
    assert kept["iteration"] == 2
    values = [one for one in kept["network"].values() if one.is_floating_point()]
    assert all(torch.isfinite(value).all() for value in values)


def test_weights_that_are_no_numbers_are_never_saved(job: TrainingJob, tmp_path: Path) -> None:
    network: list[torch.nn.Module] = []
    true = step.check_finite

    def spoil(done: int, _note: str) -> None:
        if done == ITERATIONS:
            with torch.no_grad():
                next(network[0].parameters()).fill_(torch.nan)

    def caught(one: torch.nn.Module, iteration: int) -> None:
        network.append(one)
        true(one, iteration)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fewshot.detector.training.check_finite", caught)
        with pytest.raises(NotFiniteError, match=r"the weights \S+ became infinite or NaN"):
            train_detector(job, tmp_path, spoil)
    assert not (tmp_path / "model.json").exists()
    assert not (tmp_path / "model.pth").exists()


def test_a_retry_goes_back_to_the_last_good_checkpoint_at_a_lower_rate(
    job: TrainingJob, forward: Callable[[Step], None], tmp_path: Path
) -> None:
    train_detector(job, tmp_path / "whole")
    forward(poison(lambda call: call == 3))
    train_detector(with_retries(job, 1), tmp_path / "parts")
    whole, parts = (read_json_lines(tmp_path / one / CURVES) for one in ("whole", "parts"))
    assert [line["iteration"] for line in parts] == list(range(ITERATIONS))
    assert parts[:2] == whole[:2]
    # The rate of the first step after the checkpoint is the one that the checkpoint holds.
    assert [line["lr"] for line in parts[2:]] == pytest.approx(
        [line["lr"] / 4 for line in whole[2:]]
    )
    training = describe_detector(tmp_path / "parts")["training"]
    assert training["lowered"] == 1
    assert training["incidents"][0]["iteration"] == 2
    assert "iteration 3: a loss became infinite or NaN" in training["incidents"][0]["what"]


def test_a_network_that_raises_by_itself_is_retried(job: TrainingJob, tmp_path: Path) -> None:
    """A weight that is NaN makes Detectron2's proposals raise, before there is any loss."""
    network: list[torch.nn.Module] = []
    true = step.SliceTrainer._accumulate

    def spoilt(trainer: step.SliceTrainer, batch: list[Any]) -> dict[str, float]:
        if trainer.iter == 3 and not network:
            network.append(trainer.model)
            with torch.no_grad():
                trainer.model.proposal_generator.rpn_head.objectness_logits.weight.fill_(torch.nan)
        return true(trainer, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step.SliceTrainer, "_accumulate", spoilt)
        words = r"iteration 3: a proposal became infinite or NaN on the slices .*\d\.png"
        with pytest.raises(NotFiniteError, match=words):
            train_detector(job, tmp_path)
        assert not (tmp_path / "model.json").exists()
        network.clear()
        train_detector(with_retries(job, 1), tmp_path)
    training = describe_detector(tmp_path)["training"]
    assert training["lowered"] == 1
    assert "a proposal became" in training["incidents"][0]["what"]


def test_retries_end(job: TrainingJob, forward: Callable[[Step], None], tmp_path: Path) -> None:
    """Before the first checkpoint a retry begins at the start."""
    seen: list[int] = []

    def always(call: int) -> bool:
        seen.append(call)
        return True

    forward(poison(always))
    with pytest.raises(NotFiniteError, match="iteration 0: a loss"):
        train_detector(with_retries(job, 2), tmp_path)
    assert len(seen) == 3
    assert not (tmp_path / "model.json").exists()


def test_a_batch_that_does_not_fit_is_halved_and_says_so(
    job: TrainingJob,
    forward: Callable[[Step], None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sizes: list[int] = []

    def small(true: Any, batch: list[dict[str, Any]]) -> Any:
        if "instances" in batch[0]:
            sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return true(batch)

    forward(small)
    settings = job.detector.model_copy(update={"batch_size": 2})
    train_detector(replace(job, detector=settings), tmp_path)
    assert sizes == [2, *[1] * 2 * ITERATIONS]
    training = describe_detector(tmp_path)["training"]
    assert training["part_size"] == 1
    assert training["incidents"] == [
        {
            "iteration": 0,
            "what": "out of memory; from here on batches of 2 are computed 1 at a time",
        }
    ]
    assert "out of memory" in capfd.readouterr().err
    assert len(read_json_lines(tmp_path / CURVES)) == ITERATIONS


def test_parts_of_a_batch_have_its_gradient(job: TrainingJob) -> None:
    """A loss that is a mean over slices has the same gradient, and value, in parts."""
    weight = torch.nn.Parameter(torch.tensor(3.0))

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = weight

        def forward(self, batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
            return {"loss": torch.stack([self.weight**2 * one["x"] for one in batch]).mean()}

    batch = [{"x": float(number)} for number in range(5)]
    found = []
    for part_size in (0, 1, 2, 3, 5):
        optimizer = torch.optim.SGD([weight], 1.0)
        precision = Precision("off", "cpu")
        course = step.Course(part_size)
        trainer = step.SliceTrainer(Network(), [batch], optimizer, precision, 1.0, course)
        losses = trainer._losses(batch)
        assert weight.grad is not None
        found.append((losses["loss"], float(weight.grad)))
    for loss, gradient in found:
        assert (loss, gradient) == pytest.approx((9 * 2, 6 * 2), rel=1e-6)


def test_no_memory_for_a_single_slice_is_an_error(
    job: TrainingJob, forward: Callable[[Step], None], tmp_path: Path
) -> None:
    def none(_true: Any, _batch: list[dict[str, Any]]) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    forward(none)
    with pytest.raises(FewshotError, match=r"does not suffice for one slice .*input_size"):
        train_detector(job, tmp_path)


def test_prediction_halves_its_batches_too(
    job: TrainingJob,
    forward: Callable[[Step], None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    train_detector(replace(job, schedule=TrainingSettings(iterations=1)), tmp_path)
    detector = load_detector(tmp_path, "cpu")
    slices = job.sources[0].slices
    whole = list(predict_slices(detector, slices))

    def small(true: Any, batch: list[dict[str, Any]]) -> Any:
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return true(batch)

    forward(small)
    halved = list(predict_slices(detector, slices))
    assert [one.image_id for one in halved] == [one.image_id for one in whole]
    assert [len(one) for one in halved] == [len(one) for one in whole]
    assert "6 slices are predicted 3 at a time" in capfd.readouterr().err
    forward(lambda _true, _batch: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA")))
    with pytest.raises(FewshotError, match="does not suffice to predict one slice"):
        list(predict_slices(detector, slices))


# Interrupted, finished, changed


def interrupt_at(iteration: int) -> Callable[[int, str], None]:
    def stop(done: int, _note: str) -> None:
        if done == iteration:
            raise KeyboardInterrupt

    return stop


def test_a_kill_right_after_a_checkpoint_loses_no_line_of_the_curves(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The curves are on the disk before the checkpoint that follows from them."""
    lines: list[int] = []
    monkeypatch.setattr(
        "fewshot.detector.training.save_checkpoint",
        lambda path, content: lines.append(
            len(read_json_lines(path.parent / CURVES)) - content["iteration"]
        ),
    )
    train_detector(replace(job, schedule=TrainingSettings(iterations=3)), tmp_path / "a")
    assert lines == [0]


def test_a_whole_model_of_the_same_job_is_kept(job: TrainingJob, tmp_path: Path) -> None:
    job = replace(job, schedule=TrainingSettings(iterations=1))
    first = train_detector(job, tmp_path)
    seen: list[int] = []
    before = (tmp_path / "model.pth").stat().st_mtime_ns
    again = train_detector(job, tmp_path, lambda done, _note: seen.append(done))
    assert (again, seen) == (first, [])
    assert (tmp_path / "model.pth").stat().st_mtime_ns == before
    other = replace(job, seed=6)
    with pytest.raises(InputError, match="holds a trained model already, of other settings"):
        train_detector(other, tmp_path, replace=False)
    # Damaged in any file it is trained again.
    for name in ("model.pth", CURVES):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-5] + b"wrong")
        seen.clear()
        train_detector(job, tmp_path, lambda done, _note: seen.append(done))
        assert seen == [1]
        assert (tmp_path / name).read_bytes() == content


def test_a_checkpoint_of_other_pixels_is_not_continued(
    job: TrainingJob,
    spoilable: SliceSet,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Names, sizes and masks are the same: only the image file changed."""
    own = replace(job, sources=[TrainingSource(spoilable)])
    assert job_key(own) == job_key(job)
    with pytest.raises(KeyboardInterrupt):
        train_detector(own, tmp_path / "out", interrupt_at(3))
    first = spoilable.path_of(spoilable.records[0])
    write_image(first, 255 - read_image(first))
    seen: list[int] = []
    train_detector(own, tmp_path / "out", lambda done, _note: seen.append(done))
    assert seen[0] == 1
    assert "is of other settings, slices or another fewshot" in capfd.readouterr().err


# torch counts the processors that this process may use.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_workers_change_nothing(job: TrainingJob, tmp_path: Path) -> None:
    """With none, with two, and with two after an interruption: the same bytes."""
    two = replace(job, detector=job.detector.model_copy(update={"workers": 2}))
    train_detector(job, tmp_path / "none")
    train_detector(two, tmp_path / "two")
    with pytest.raises(KeyboardInterrupt):
        train_detector(two, tmp_path / "resumed", interrupt_at(3))
    train_detector(job, tmp_path / "resumed")
    for name in (CURVES, "model.pth", "model.json"):
        expected = (tmp_path / "none" / name).read_bytes()
        assert (tmp_path / "two" / name).read_bytes() == expected
        assert (tmp_path / "resumed" / name).read_bytes() == expected


@pytest.mark.parametrize("workers", [0, 1])
def test_a_slice_that_is_gone_is_one_line_from_any_process(
    job: TrainingJob, spoilable: SliceSet, tmp_path: Path, workers: int
) -> None:
    settings = job.detector.model_copy(update={"workers": workers})
    own = replace(job, detector=settings, sources=[TrainingSource(spoilable)])

    def lose(done: int, _note: str) -> None:
        for path in spoilable.images.iterdir():
            path.unlink()

    with pytest.raises(InputError, match=r"\d\.png: no such image") as caught:
        train_detector(own, tmp_path / "out", lose)
    assert "\n" not in str(caught.value)
