from pathlib import Path

import pytest
import torch

from fewshot.errors import InputError
from fewshot.training.checkpoints import load_checkpoint, save_checkpoint


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "one.pth", {"weights": torch.arange(3), "iteration": 7})
    content = load_checkpoint(tmp_path / "one.pth")
    assert content["iteration"] == 7
    assert torch.equal(content["weights"], torch.arange(3))
    assert [path.name for path in tmp_path.iterdir()] == ["one.pth"]


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.pth: no such checkpoint"):
        load_checkpoint(tmp_path / "gone.pth")


def test_a_tensor_alone_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save(torch.zeros(2), tmp_path / "bare.pth")
    with pytest.raises(InputError, match=r"bare\.pth: not a checkpoint"):
        load_checkpoint(tmp_path / "bare.pth")
