import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from segment_anything import sam_model_registry

from fewshot.errors import InputError
from fewshot.sam.model import SamModel, build_sam, load_sam, save_sam

Weights = dict[str, torch.Tensor]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/fewshot-sam-was-here",)


def test_tiny_is_the_same_for_the_same_seed_and_has_the_usual_decoder() -> None:
    one, other = build_sam("tiny", 3), build_sam("tiny", 4)
    same = build_sam("tiny", 3).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in one.state_dict().items())
    assert not torch.equal(
        one.state_dict()["mask_decoder.iou_token.weight"],
        other.state_dict()["mask_decoder.iou_token.weight"],
    )
    decoder = sum(value.numel() for name, value in same.items() if name.startswith("mask_decoder"))
    assert decoder == 4_058_340  # of every SAM


def test_what_was_saved_is_loaded(tiny: SamModel, tiny_file: Path) -> None:
    loaded = load_sam(str(tiny_file), "cpu")
    assert (loaded.layout, loaded.name, loaded.side) == ("tiny", "small", 256)
    assert loaded.encoder_digest == tiny.encoder_digest
    assert not loaded.network.training


def test_weights_inside_a_training_state_are_found(tiny: SamModel, tmp_path: Path) -> None:
    torch.save({"model": tiny.network.state_dict(), "epoch": 3}, tmp_path / "medsam_latest.pth")
    assert load_sam(str(tmp_path / "medsam_latest.pth"), "cpu").layout == "tiny"


@pytest.mark.slow
def test_a_vit_b_goes_round_through_the_package_itself(tmp_path: Path) -> None:
    network = build_sam("vit_b", 0)
    with torch.no_grad():
        network.get_parameter("mask_decoder.iou_token.weight").fill_(0.25)
    save_sam(tmp_path / "sam.pth", network)
    theirs = sam_model_registry["vit_b"](checkpoint=str(tmp_path / "sam.pth"))
    assert float(theirs.mask_decoder.iou_token.weight.detach().mean()) == 0.25
    loaded = load_sam(str(tmp_path / "sam.pth"), "cpu")
    assert loaded.layout == "vit_b"
    ours = loaded.network.state_dict()
    assert list(ours) == list(theirs.state_dict())
    assert all(torch.equal(value, ours[name]) for name, value in theirs.state_dict().items())


def _without(weights: Weights) -> object:
    return {name: value for name, value in weights.items() if "iou_token" not in name}


def _narrow(weights: Weights) -> object:
    return {**weights, "mask_decoder.iou_token.weight": torch.zeros(1, 128)}


def _with_nan(weights: Weights) -> object:
    return {**weights, "mask_decoder.iou_token.weight": torch.full((1, 256), torch.nan)}


def _another(weights: Weights) -> object:
    shape = (96, 3, 16, 16)
    return {**weights, "image_encoder.patch_embed.proj.weight": torch.zeros(shape)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without, "is no tiny of Segment Anything: it lacks mask_decoder.iou_token.weight"),
        (lambda w: {**w, "mask_decoder.hf_token.weight": torch.zeros(1)}, "it has mask_decoder.hf"),
        (_narrow, r"of shape \(1, 128\), not \(1, 256\)"),
        (_with_nan, "NaN or infinity"),
        (_another, "another architecture \\(4 blocks of width 96\\)"),
        (lambda w: {"fc.weight": torch.zeros(2, 2)}, "another architecture \\(no image encoder\\)"),
        (lambda w: {"epoch": 3}, "holds no weights"),
        (lambda w: Evil(), "with code in it"),
        (lambda w: torch.zeros(3), "not a checkpoint"),
    ],
)
def test_other_files_are_refused(
    change: Callable[[Weights], object], words: str, tiny: SamModel, tmp_path: Path
) -> None:
    path = tmp_path / "given.pth"
    torch.save(change(dict(tiny.network.state_dict())), path)
    with pytest.raises(InputError, match=words):
        load_sam(str(path), "cpu")
    assert not Path("/tmp/fewshot-sam-was-here").exists()


def test_a_truncated_file_is_refused(tiny_file: Path, tmp_path: Path) -> None:
    whole = tiny_file.read_bytes()
    for size in (0, 100, len(whole) // 2):
        (tmp_path / "half.pth").write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"half\.pth: not a usable checkpoint"):
            load_sam(str(tmp_path / "half.pth"), "cpu")


def test_untrained_tiny_is_only_for_training() -> None:
    with pytest.raises(InputError, match="finetune"):
        load_sam("tiny", "cpu")
