import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.errors import FewshotError, InputError
from fewshot.masks.coco import SliceSet
from fewshot.sam.embeddings import Embedder
from fewshot.sam.input_transforms import InputTransform, resized
from fewshot.sam.model import SamModel, load_sam
from fewshot.slices.images import read_image, write_image


@pytest.fixture
def slices(miniature: SliceSet, tmp_path: Path) -> SliceSet:
    """Two slices in a folder of their own."""
    shutil.copytree(miniature.images, tmp_path / "images")
    return replace(miniature.subset([0, 1]), images=tmp_path / "images")


def _all(embedder: Embedder, slices: SliceSet) -> list[torch.Tensor]:
    return [features for _, features in embedder.over(slices)]


def test_every_slice_is_encoded_once(tiny: SamModel, slices: SliceSet, tmp_path: Path) -> None:
    first = Embedder(tiny, tmp_path / "kept")
    fresh = _all(first, slices)
    assert first.encoded == 2
    again = Embedder(tiny, tmp_path / "kept")
    found = _all(again, slices)
    assert again.encoded == 0
    for one, other in zip(fresh, found, strict=True):
        assert float((one - other).abs().max()) < 4e-3  # float16 of values of a few units
    files = list((tmp_path / "kept").glob("*.npz"))
    assert len(files) == 2
    assert first.bytes_needed(slices) == 2 * 256 * 16 * 16 * 2
    with np.load(files[0], allow_pickle=False) as content:
        assert content["features"].dtype == np.float16


def test_a_batch_gives_what_single_slices_give(tiny: SamModel, slices: SliceSet) -> None:
    together = _all(Embedder(tiny, batch_size=2), slices)
    alone = [Embedder(tiny).of(slices, record) for record in slices.records]
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_a_changed_image_and_a_damaged_file_are_noticed(
    tiny: SamModel, slices: SliceSet, tmp_path: Path
) -> None:
    _all(Embedder(tiny, tmp_path / "kept"), slices)
    path = slices.path_of(slices.records[0])
    write_image(path, 255 - read_image(path))
    changed = Embedder(tiny, tmp_path / "kept")
    _all(changed, slices)
    assert changed.encoded == 1
    for file in (tmp_path / "kept").glob("*.npz"):
        file.write_bytes(file.read_bytes()[:500])
    damaged = Embedder(tiny, tmp_path / "kept")
    _all(damaged, slices)
    assert damaged.encoded == 2


@pytest.mark.parametrize("change", ["packed", "NaN", "float64"])
def test_an_embedding_that_was_tampered_with_is_made_again(
    tiny: SamModel, slices: SliceSet, tmp_path: Path, change: str
) -> None:
    _all(Embedder(tiny, tmp_path / "kept"), slices)
    for file in (tmp_path / "kept").glob("*.npz"):
        with np.load(file) as content:
            arrays = dict(content)
        if change == "NaN":
            arrays["features"][0, 0, 0] = np.nan
        if change == "float64":
            arrays["features"] = arrays["features"].astype(np.float64)
        save = np.savez_compressed if change == "packed" else np.savez
        save(file, **arrays)
    again = Embedder(tiny, tmp_path / "kept")
    assert all(torch.isfinite(features).all() for _, features in again.over(slices))
    assert again.encoded == 2


def test_embeddings_of_another_checkpoint_are_refused(
    tiny: SamModel, slices: SliceSet, tmp_path: Path
) -> None:
    _all(Embedder(tiny, tmp_path / "kept"), slices)
    other = load_sam("tiny", "cpu", untrained=1)
    with pytest.raises(InputError, match="embeddings of another checkpoint"):
        Embedder(other, tmp_path / "kept")
    with pytest.raises(InputError, match="of treatment raw, not raw@32"):
        Embedder(tiny, tmp_path / "kept", treatment=InputTransform(resolution=32))
    with pytest.raises(InputError, match="of number float16, not float32"):
        Embedder(tiny, tmp_path / "kept", "float32")


def test_a_tuned_decoder_keeps_the_embeddings(
    tiny_file: Path, slices: SliceSet, tmp_path: Path
) -> None:
    model = load_sam(str(tiny_file), "cpu")
    _all(Embedder(model, tmp_path / "kept"), slices)
    tuned = load_sam(str(tiny_file), "cpu")
    with torch.no_grad():
        tuned.network.get_parameter("mask_decoder.iou_token.weight").add_(1)
    embedder = Embedder(tuned, tmp_path / "kept")
    _all(embedder, slices)
    assert embedder.encoded == 0


def test_a_full_disk_is_noticed_beforehand(
    tiny: SamModel, slices: SliceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 9))
    with pytest.raises(FewshotError, match="take 0 MB and only 0 MB are free"):
        Embedder(tiny, tmp_path / "new" / "kept").check_room(slices)


def test_a_missing_image_is_named(tiny: SamModel, slices: SliceSet, tmp_path: Path) -> None:
    slices.path_of(slices.records[1]).unlink()
    with pytest.raises(InputError, match=r"1\.png: no such image"):
        _all(Embedder(tiny, tmp_path / "kept"), slices)


def test_a_resolution_is_what_is_left_of_the_detail() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 80), dtype=np.uint8)
    assert resized(image, 40).shape == (20, 40)
    assert InputTransform(resolution=160)(image).shape == (80, 160)
    assert np.array_equal(InputTransform(resolution=80)(image), image)
    assert InputTransform("raw", resolution=40).key == "raw@40"
