"""What a training does when numbers or memory fail it: real networks of every kind, miniature."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fewshot.errors import FewshotError
from fewshot.files import read_json_lines
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.loop import train
from fewshot.training.model_folder import CHECKPOINT, CURVES, describe_model
from fewshot.training.recovery import NotFiniteError, check_weights, in_halves
from fewshot.training.state import TrainingState
from fewshot.training.task import Evaluation, Step
from tests.training.conftest import ITERATIONS, KINDS, MakeTask, Task

Change = Callable[[Step, int], Step]
every_kind = pytest.mark.parametrize("kind", KINDS)
RETRY = {"nan_retries": 1, "nan_rate_factor": 0.25}


def changed(task: Task, change: Change) -> Task:
    """Return a task of which the losses of each call, counted from 0, pass a function."""
    true, calls = task.losses, iter(range(1000))

    def losses(state: TrainingState, samples: list[Any], iteration: int) -> Step:
        return change(true(state, samples, iteration), next(calls))

    task.losses = losses  # type: ignore[method-assign]
    return task


def poison(when: Callable[[int], bool], gradient_only: bool = False) -> Change:
    """Make a loss, or its gradient alone, NaN in the calls chosen."""

    def change(step: Step, call: int) -> Step:
        if not when(call):
            return step
        name, value = next(iter(step.losses.items()))
        # The square root of zero has an infinite slope: value 0, gradient NaN.
        bad = (value * 0).sqrt() if gradient_only else value * torch.nan
        return Step({**step.losses, name: value + bad}, step.scalars)

    return change


@every_kind
@pytest.mark.parametrize(("gradient_only", "what"), [(False, "a loss"), (True, "the gradient")])
def test_bad_numbers_stop_a_training_before_they_reach_a_weight(
    kind: str, gradient_only: bool, what: str, make_task: MakeTask, tmp_path: Path
) -> None:
    task = changed(make_task(kind), poison(lambda call: call >= 3, gradient_only))
    words = rf"iteration 3: {what} became infinite or NaN \(loss_.* on the slices \d\.png.*rate"
    with pytest.raises(NotFiniteError, match=words):
        train(task, tmp_path)
    assert not (tmp_path / "model.json").exists()
    kept = load_checkpoint(tmp_path / CHECKPOINT)
    assert kept["progress"]["iteration"] == 2
    values = [one for one in kept["network"].values() if one.is_floating_point()]
    assert all(torch.isfinite(value).all() for value in values)


@every_kind
def test_weights_that_are_no_numbers_are_never_saved(
    kind: str, make_task: MakeTask, tmp_path: Path
) -> None:
    task, states = make_task(kind), list[TrainingState]()
    true = task.losses

    def losses(state: TrainingState, samples: list[Any], iteration: int) -> Step:
        states.append(state)
        return true(state, samples, iteration)

    def spoil(done: int, _note: str) -> None:
        if done == 2:  # a checkpoint follows
            with torch.no_grad():
                states[0].optimizer.param_groups[0]["params"][0].fill_(torch.nan)

    task.losses = losses  # type: ignore[method-assign]
    with pytest.raises(NotFiniteError, match=r"iteration 2: the weights \S+ became infinite or"):
        train(task, tmp_path, spoil)
    assert not (tmp_path / CHECKPOINT).exists()
    assert not (tmp_path / "model.json").exists()


@every_kind
def test_a_retry_goes_back_to_the_last_good_checkpoint_at_a_lower_rate(
    kind: str, make_task: MakeTask, tmp_path: Path
) -> None:
    train(make_task(kind), tmp_path / "whole")
    task = changed(make_task(kind, RETRY), poison(lambda call: call == 3))
    train(task, tmp_path / "parts")
    whole, parts = (read_json_lines(tmp_path / one / CURVES) for one in ("whole", "parts"))
    assert [line["iteration"] for line in parts] == list(range(ITERATIONS))
    assert parts[:2] == whole[:2]
    assert [line["lr"] for line in parts[2:]] == pytest.approx(
        [line["lr"] / 4 for line in whole[2:]]
    )
    training = describe_model(tmp_path / "parts").training
    assert training["lowered"] == 1
    assert training["incidents"][0]["iteration"] == 2
    assert "iteration 3: a loss became infinite or NaN" in training["incidents"][0]["what"]


def test_the_best_weights_stay_the_best_after_a_retry(make_task: MakeTask, tmp_path: Path) -> None:
    """Also where an attempt that failed had found them, beyond the last checkpoint."""
    task = make_task("sam", {**RETRY, "evaluation_period": 1})
    task = changed(task, poison(lambda call: call == 3))
    scores = iter([0.1, 0.2, 0.3, 0.4, 0.2, 0.2])
    kept: list[bytes] = []

    def evaluate(network: torch.nn.Module) -> Evaluation:
        kept.append((tmp_path / "model.pth").read_bytes() if len(kept) else b"")
        return Evaluation({"dice": next(scores)})

    task.evaluate = evaluate  # type: ignore[method-assign]
    found = train(task, tmp_path)
    assert describe_model(tmp_path).training["lowered"] == 1
    assert (found.best, found.best_iteration) == ({"dice": 0.4}, 3)
    assert (tmp_path / "model.pth").read_bytes() == kept[4]


def test_a_network_that_raises_by_itself_is_retried(make_task: MakeTask, tmp_path: Path) -> None:
    """A weight that is NaN makes Detectron2's proposals raise, before there is any loss."""
    task, spoilt = make_task("mask_rcnn", RETRY), list[int]()
    true = task.losses

    def losses(state: TrainingState, samples: list[Any], iteration: int) -> Step:
        if iteration == 3 and not spoilt:
            spoilt.append(iteration)
            name = "proposal_generator.rpn_head.objectness_logits.weight"
            with torch.no_grad():
                state.network.get_parameter(name).fill_(torch.nan)
        return true(state, samples, iteration)

    task.losses = losses  # type: ignore[method-assign]
    train(task, tmp_path)
    (incident,) = describe_model(tmp_path).training["incidents"]
    words = "iteration 3: a value inside the network became infinite or NaN on the slices "
    assert words in incident["what"]


def test_retries_end(make_task: MakeTask, tmp_path: Path) -> None:
    """Before the first checkpoint a retry begins at the start."""
    seen: list[int] = []

    def always(call: int) -> bool:
        seen.append(call)
        return True

    task = changed(make_task("semantic", {"nan_retries": 2}), poison(always))
    with pytest.raises(NotFiniteError, match="iteration 0: a loss"):
        train(task, tmp_path)
    assert len(seen) == 3
    assert not (tmp_path / "model.json").exists()


@every_kind
def test_a_batch_that_does_not_fit_is_halved_and_says_so(
    kind: str, make_task: MakeTask, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sizes: list[int] = []
    task = make_task(kind)
    true = task.losses

    def small(state: TrainingState, samples: list[Any], iteration: int) -> Step:
        sizes.append(len(samples))
        if len(samples) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return true(state, samples, iteration)

    task.losses = small  # type: ignore[method-assign]
    train(task, tmp_path)
    assert sizes == [2, *[1] * 2 * ITERATIONS]
    training = describe_model(tmp_path).training
    assert training["part_size"] == 1
    assert training["incidents"] == [
        {
            "iteration": 0,
            "what": "out of memory; from here on batches of 2 are computed 1 at a time",
        }
    ]
    assert "out of memory" in capfd.readouterr().err
    assert len(read_json_lines(tmp_path / CURVES)) == ITERATIONS


def test_parts_of_a_batch_have_its_gradient(
    make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that is a mean over slices has the same value in parts, and trains to the same."""
    found, norms = [], list[float]()
    true_norm = torch.nn.utils.clip_grad_norm_

    def clipped(*given: Any) -> torch.Tensor:
        norms.append(float(true_norm(*given)))
        return torch.tensor(norms[-1])

    # A bound on the norm, and AdamW, would hide a gradient of another length.
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clipped)
    for size in (2, 1):
        task = make_task("sam", {"batch_size": 4, "train": "decoder"})
        true = task.losses

        def losses(
            state: TrainingState,
            samples: list[Any],
            iteration: int,
            size: int = size,
            true: Any = true,
        ) -> Step:
            if len(samples) > size:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return true(state, samples, iteration)  # type: ignore[no-any-return]

        task.losses = losses  # type: ignore[method-assign]
        train(task, tmp_path / str(size))
        lines = read_json_lines(tmp_path / str(size) / CURVES)
        found.append([line["total_loss"] for line in lines])
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert norms[:ITERATIONS] == pytest.approx(norms[ITERATIONS:], rel=1e-2)


def test_no_memory_for_a_single_slice_is_an_error(make_task: MakeTask, tmp_path: Path) -> None:
    task = make_task("semantic")

    def none(state: TrainingState, samples: list[Any], iteration: int) -> Step:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    task.losses = none  # type: ignore[method-assign]
    with pytest.raises(FewshotError, match=r"out of memory with a single slice .*--device cpu"):
        train(task, tmp_path)


def test_questions_are_asked_in_halves(capfd: pytest.CaptureFixture[str]) -> None:
    def ask(samples: list[int]) -> list[int]:
        if len(samples) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [10 * sample for sample in samples]

    assert in_halves(ask, list(range(5)), "final") == [0, 10, 20, 30, 40]
    assert "final: out of memory; 5 slices are predicted 3 at a time" in capfd.readouterr().err

    def never(_: list[int]) -> list[int]:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(FewshotError, match="final: out of memory with a single slice"):
        in_halves(never, [1, 2], "final")


def test_weights_are_checked_by_name() -> None:
    network = torch.nn.Linear(2, 1)
    check_weights(network, 0)
    with torch.no_grad():
        network.bias.fill_(torch.inf)
    with pytest.raises(NotFiniteError, match="iteration 7: the weights bias became infinite"):
        check_weights(network, 7)
