"""What a contact sheet shows: which slices, how they lie, and what is wrong with them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fewshot.drawing.contact_sheet import choose, contact_sheet, describe, write_contact_sheet
from fewshot.drawing.slice_tile import SIDE, Edges, Tile, draw_tile, fitted, font, shortened
from fewshot.masks.coco import SliceRecord, SliceSet, Volume
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import write_image


def many(labelled: int, others: int, group: str | None = None) -> SliceSet:
    """Slices of which the first ones are labelled; there are no images."""
    label_map = np.eye(8, dtype=np.uint8)
    count = labelled + others
    records = tuple(SliceRecord(one, f"{one}.png", 8, 8, group=group) for one in range(count))
    masks = {one: SliceMasks.from_label_map(one, label_map) for one in range(labelled)}
    return SliceSet(Path("nowhere"), records, masks)


@pytest.mark.parametrize(
    ("labelled", "others", "most", "expected"),
    [
        (5, 0, 40, [0, 1, 2, 3, 4]),
        (0, 4, 2, [0, 3]),
        (101, 0, 5, [0, 25, 50, 75, 100]),
        (4, 901, 10, [0, 1, 2, 3, 4, 184, 364, 544, 724, 904]),
        (100, 1, 5, [0, 33, 66, 99, 100]),
        (8, 8, 5, [0, 2, 5, 7, 8]),  # a fifth for slices without labels
        (3, 0, 1, [0]),
        (0, 0, 40, []),
    ],
)
def test_slices_are_spread_over_the_set(
    labelled: int, others: int, most: int, expected: Sequence[int]
) -> None:
    assert [record.image_id for record in choose(many(labelled, others), most)] == expected


@pytest.mark.parametrize(
    ("sizes", "most", "shown"),
    [((74, 18, 842), 40, 40), ((3, 2, 842), 40, 40), ((1, 1, 1), 40, 3), ((5, 5, 5), 2, 3)],
)
def test_every_set_has_its_share(
    tmp_path: Path, sizes: tuple[int, ...], most: int, shown: int
) -> None:
    parts = {f"part {place}": many(0, size) for place, size in enumerate(sizes)}
    assert write_contact_sheet(tmp_path / "sheet.png", parts, most) == shown


@pytest.mark.parametrize(
    ("slices", "shown", "words"),
    [
        (many(2, 1, "p1"), 3, "3 slices, 1 patient, 2 labelled with 1 structure each"),
        (many(0, 1), 1, "1 slice, no labels"),
        (many(9, 0), 4, "9 slices, 9 labelled with 1 structure each, 4 shown"),
    ],
)
def test_a_set_is_described_in_words(slices: SliceSet, shown: int, words: str) -> None:
    assert describe(slices, shown) == words


def test_the_sheet_is_the_same_each_time_and_written_whole(
    miniature: SliceSet, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        assert write_contact_sheet(tmp_path / name, {"train": miniature}) == 6
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.format == "PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def colored(picture: Image.Image) -> NDArray[np.bool_]:
    """Return where a picture is not grey."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    spread: NDArray[np.bool_] = pixels.max(axis=2) - pixels.min(axis=2) > 60
    return spread


def tile(mask: NDArray[np.bool_], **changes: Any) -> Tile:
    height, width = mask.shape
    plain = Tile(np.full(mask.shape, 90, np.uint8), [mask], (height, width), None, None, ("", ""))
    return replace(plain, **changes)


def test_outlines_lie_on_the_edge_of_the_mask() -> None:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[20:60, 100:180] = True
    mask[:5, :5] = True  # at the corner of the slice, whose own edge is no outline
    expected = np.zeros_like(mask)
    expected[20:60, 100:180] = True
    expected[21:59, 101:179] = False
    expected[4, 1:5] = expected[1:5, 4] = True  # the tile's frame covers the rest
    found = colored(draw_tile(tile(mask)))[:SIDE]
    np.testing.assert_array_equal(found, expected)


def test_transposed_labels_look_transposed() -> None:
    mask = np.zeros((64, 64), bool)
    mask[4:12, 30:60] = True
    upright, turned = (colored(draw_tile(tile(one)))[:SIDE] for one in (mask, mask.T))
    np.testing.assert_array_equal(upright, turned.T)
    assert not (upright & turned).any()


def test_spacing_gives_the_proportions() -> None:
    assert fitted((100, 100)) == (SIDE, SIDE)
    assert fitted((100, 50)) == (SIDE, SIDE // 2)
    assert fitted((1, 1000)) == (24, SIDE)


def test_letters_stand_at_the_edges() -> None:
    none = np.zeros((64, 64), bool)
    found = colored(draw_tile(tile(none, edges=Edges("A", "P", "R", "L"))))[:SIDE]
    strip, third = 24, SIDE // 3
    assert found[:strip, third:-third].any()
    assert found[-strip:, third:-third].any()
    assert found[third:-third, :strip].any()
    assert found[third:-third, -strip:].any()
    assert not found[strip:-strip, strip:-strip].any()
    assert not colored(draw_tile(tile(none)))[:SIDE].any()


def test_long_names_are_shortened_in_the_middle() -> None:
    name = "a_patient_with_a_name_that_goes_on_and_on_series_0004_slice_0123.png"
    short = shortened(name, SIDE)
    assert font(12).getlength(short) <= SIDE
    assert short.startswith("a_patient")
    assert short.endswith("0123.png")
    assert "…" in short
    assert shortened("0.png", SIDE) == "0.png"
    assert shortened("a" * 10**6 + "b", SIDE).endswith("b")


def sheet_of(folder: Path, record: SliceRecord, volumes: dict[str, Volume]) -> Image.Image:
    slices = SliceSet(folder, (record,), {}, volumes)
    return contact_sheet({"x": slices}, {"x": slices.records})


def test_a_slice_of_a_volume_has_letters_and_a_bad_image_says_so(tmp_path: Path) -> None:
    affine = tuple(map(tuple, np.eye(4).tolist()))
    write_image(tmp_path / "good.png", np.full((5, 4), 90, np.uint8))
    write_image(tmp_path / "turned.png", np.full((4, 5), 90, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    volumes = {"ct": Volume((4, 5, 6), 2, affine, "ct.nii.gz")}
    plain = SliceRecord(0, "good.png", 5, 4)
    assert not colored(sheet_of(tmp_path, plain, {})).any()
    in_volume = replace(plain, volume="ct", index=2, spacing=(1.0, 1.0), position=2.0)
    assert colored(sheet_of(tmp_path, in_volume, volumes)).any()
    for name in ("turned.png", "broken.png", "missing.png"):
        alarm = colored(sheet_of(tmp_path, replace(plain, file_name=name), {}))
        assert alarm.any(), name
