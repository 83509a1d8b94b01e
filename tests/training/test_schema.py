"""The one check of what is loaded: every wrong thing is named, in one line, and never used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.errors import FewshotError, InputError
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.ema import running_mean
from fewshot.training.precision import Precision
from fewshot.training.schema import (
    check_alike,
    check_description,
    check_optimizer,
    check_scores,
    check_weights,
    fill,
    misfit,
    restoring,
)
from fewshot.training.state import TrainingState, make_optimizer, one_cycle

PATH = Path("a.pth")
ONE = torch.ones(2)


def made() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "contains no model weights .nothing instead"),
        ([], "a value of type list instead"),
        ({}, "contains no model weights"),
        ({1: ONE}, "a weight is called 1; names are plain text"),
        ({("a", 1): ONE}, "a weight is called a value of type tuple"),
        ({b"a": ONE}, "a weight is called a value of type bytes"),
        ({"a\n": ONE}, r"a weight is called 'a\\n'"),
        ({"a": "x"}, "holds no weights: a is a value of type str and no tensor"),
        ({"a": None}, "a is nothing and no tensor"),
        ({"a": {"b": ONE}}, "a is a value of type dict"),
        ({"a": np.array([None, 1], object)}, "a is a value of type ndarray"),
        ({"a": ONE.to_sparse()}, "a tensor without its numbers .sparse_coo"),
        ({"a": torch.empty(2, device="meta")}, "a tensor without its numbers .*on meta"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "holds .*complex64.*, not plain numbers"),
        ({"a": torch.ones(2, dtype=torch.float8_e5m2)}, "holds .*float8.*, not plain numbers"),
        ({"a": torch.ones(1).expand(10**6, 10**6)}, "has fewer numbers in the file"),
        ({"a": ONE, "b": torch.tensor([1, float("nan")])}, "b holds NaN or infinity"),
        ({"a": torch.tensor(float("inf"), dtype=torch.bfloat16)}, "a holds NaN or infinity"),
    ],
)
def test_what_is_no_weights_is_named(content: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        check_weights(content, PATH)
    assert str(told.value).startswith("a.pth: ")
    assert len(str(told.value).splitlines()) == 1


def test_weights_pass_as_they_are() -> None:
    weights = {**made().state_dict(), "half": ONE.half(), "flag": torch.tensor(True)}
    assert check_weights(weights, PATH) == weights


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("0.bias"), "lacks 0.bias"),
        (lambda w: w.update(more=ONE), "has more besides"),
        (lambda w: w.update({"0.bias": ONE}), r"has 0.bias of shape \(2,\), not \(4,\)"),
        (lambda w: w.update({"0.bias": torch.ones(4, dtype=torch.int64)}), "has 0.bias of .*int64"),
        (lambda w: w.update({"1.num_batches_tracked": torch.tensor(0.5)}), "num_batches_tracked"),
    ],
)
def test_the_first_misfit_is_named(change: Callable[[dict[str, Any]], Any], words: str) -> None:
    network, weights = made(), dict(made().state_dict())
    assert misfit(network, weights) is None
    change(weights)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(InputError, match=rf"a.pth: does not fit: it .*{words}.*; do this"):
        fill(network, weights, PATH, "do this")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_weights_that_fit_are_copied() -> None:
    network, given = made(), dict(made().state_dict())
    given["0.bias"] = torch.arange(4.0).double()
    fill(network, given, PATH, "")
    for name, value in network.state_dict().items():
        assert torch.equal(value.double(), given[name].double())


def test_whatever_fails_within_a_checkpoint_is_one_line() -> None:
    words = r"a\.pth: is damaged inside \(KeyError: 'x'\); delete"
    with pytest.raises(InputError, match=words), restoring(PATH):
        {"a": 1}["x"]
    with pytest.raises(FewshotError, match=r"^as it was$"), restoring(PATH):
        raise FewshotError("as it was")


def state(steps: int) -> TrainingState:
    network = made()
    optimizer = make_optimizer(network.parameters(), "adamw", 0.01, 0.1)
    schedule = one_cycle(optimizer, 0.01, 10)
    found = TrainingState(
        network, optimizer, schedule, Precision("off", "cpu"), running_mean(network, 0.9)
    )
    for _ in range(steps):
        network(torch.ones(5, 3)).sum().backward()
        optimizer.step()
        schedule.step()
    return found


def damaged(change: Callable[[dict[str, Any]], Any], tmp_path: Path) -> Path:
    content = state(2).content()
    change(content)
    torch.save(content, tmp_path / "a.pth")
    return tmp_path / "a.pth"


DAMAGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda c: c.pop("network"), "it has no network"),
    (lambda c: c.update(network=[]), "network is a value of type list"),
    (lambda c: c["network"].pop("0.bias"), "network has no 0.bias"),
    (
        lambda c: c["network"].update({"0.bias": ONE}),
        r"network.0.bias has shape \(2,\), not \(4,\)",
    ),
    (lambda c: c["network"]["0.bias"].fill_(torch.nan), "network.0.bias holds NaN"),
    (lambda c: c.update(average=None), "average is nothing"),
    (lambda c: c["average"].pop("n_averaged"), "average has no n_averaged"),
    (lambda c: c.update(optimizer=None), "optimizer is nothing"),
    (lambda c: c["optimizer"].update(param_groups=[]), "param_groups has 0 parts, not 1"),
    (lambda c: c["optimizer"]["param_groups"][0].update(lr="x"), "lr is a value of type str"),
    (lambda c: c["optimizer"]["param_groups"][0].update(lr=torch.nan), "lr is nan"),
    (lambda c: c["optimizer"]["state"][0].update(exp_avg=ONE), "exp_avg of weight 0 has shape"),
    (lambda c: c["optimizer"]["state"].update({99: {"step": ONE}}), "IndexError"),
    (lambda c: c["optimizer"]["state"].update(x=3), "is damaged inside"),
    (lambda c: c["optimizer"]["state"][0].update(step="x"), "step of weight 0 is a value of type"),
    (lambda c: c.update(schedule="late"), "schedule is a value of type str"),
    (lambda c: c.update(schedule=None), "schedule is nothing"),
    (lambda c: c.update(random_state=ONE), "random_state has shape"),
    (lambda c: c.update(scaler=[1]), "scaler is a value of type list"),
]


@pytest.mark.parametrize(("change", "words"), DAMAGES)
def test_a_checkpoint_of_the_right_job_with_damaged_content_is_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    path = damaged(change, tmp_path)
    own, content = state(0), load_checkpoint(path)
    with pytest.raises(InputError, match=words) as told:
        own.check(content, path)
    assert str(told.value).startswith(f"{path}: is damaged inside")
    assert len(str(told.value).splitlines()) == 1


def test_a_good_checkpoint_is_restored(tmp_path: Path) -> None:
    path = damaged(lambda _content: None, tmp_path)
    own, content = state(0), load_checkpoint(path)
    own.check(content, path)
    own.restore(content)
    expected = state(2)
    assert torch.equal(own.network[0].weight, expected.network[0].weight)  # type: ignore[index]


GOOD = {"kind": "mask_rcnn", "name": "a", "iterations": 2, "detector": {}}
KEYS = {"kind": str, "name": str, "iterations": int, "detector": dict}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 3}, "its name is 3"),
        ({"name": ""}, "its name is ''"),
        ({"name": "\x1b[2J"}, r"its name is '\\x1b\[2J'"),
        ({"name": "x" * 300}, "its name is 'xxx"),
        ({"iterations": -1}, "its iterations is -1"),
        ({"iterations": 1.5}, "its iterations is 1.5"),
        ({"iterations": True}, "its iterations is True"),
        ({"detector": None}, "its detector is nothing"),
        ({"detector": []}, "its detector is a value of type list"),
    ],
)
def test_a_description_that_is_none_is_named(change: dict[str, Any], words: str) -> None:
    assert check_description(GOOD, PATH, KEYS) == GOOD
    with pytest.raises(InputError, match=rf"a\.pth: {words}.*; train the model again"):
        check_description({**GOOD, **change}, PATH, KEYS)
    with pytest.raises(InputError, match="no name"):
        check_description({"kind": "a"}, PATH, KEYS)
    with pytest.raises(InputError, match="not a model's description"):
        check_description([], PATH, KEYS)


@pytest.mark.parametrize("value", ["x", None, float("nan"), float("inf"), True, [1]])
def test_scores_are_numbers(value: object) -> None:
    assert check_scores({"ap": 0.5, "ap50": 1}, PATH) == {"ap": 0.5, "ap50": 1.0}
    with pytest.raises(InputError, match="its ap is"):
        check_scores({"ap": value}, PATH)


def test_a_packed_checkpoint_is_refused(tmp_path: Path) -> None:
    """PyTorch unpacks what it never packs: forty kilobytes would be forty megabytes."""
    import zipfile

    path = tmp_path / "a.pth"
    torch.save({"model": {"a": torch.zeros(10**6)}}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    assert torch.load(path, weights_only=True)["model"]["a"].shape == (10**6,)
    with pytest.raises(InputError, match="not a usable checkpoint"):
        load_checkpoint(path)


def test_optimizer_without_sums_is_good() -> None:
    own = state(0)
    check_optimizer(own.optimizer.state_dict(), own.optimizer, PATH)
    check_alike(own.content(), own.content(), PATH)
