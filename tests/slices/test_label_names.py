"""Labels find their images by names, in one way for every form."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fewshot.slices.label_names import image_of, labels_beside, match_names, slice_names, stem_of
from fewshot.slices.sources.recognise import open_source


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a"),
        ("a.nii.gz", "a"),
        ("a.b.NII", "a.b"),
        ("a.dcm", "a"),
        ("a.npy", "a"),
        ("IM0001", "IM0001"),
        ("mu\u0308.png", "m\u00fc"),
    ],
)
def test_stems(name: str, expected: str) -> None:
    assert stem_of(name) == expected


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("a_mask", "a"),
        ("a (1)_mask_1", "a (1)"),
        ("a.seg", "a"),
        ("a-Label", "a"),
        ("case 3 segmentation 12", "case 3"),
        ("mask_7", "7"),
        ("GT-a", "a"),
        ("label0001", "0001"),
        ("segmentation-12", "12"),
        ("labela", None),
        ("a", None),
        ("unmasked", None),
        ("mask", None),
    ],
)
def test_words_for_labels(stem: str, expected: str | None) -> None:
    assert image_of(stem) == expected


def test_labels_beside_their_images() -> None:
    names = ["a.png", "a_mask.png", "a_mask_1.png", "b_mask.png", "mask_a.png", "c.png", "C_2.png"]
    assert labels_beside(names) == {"a_mask.png", "a_mask_1.png", "mask_a.png"}
    assert labels_beside(["a_mask.png", "b_mask.png"]) == set()


WANTED = {"ct_0007.png": ["ct_0007", "ct_7"], "ct_0012.png": ["ct_0012", "ct_12"]}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("ct_0007.png", "ct_0007.png"),
        ("ct_7.png", "ct_0007.png"),
        ("ct_007_seg.tif", "ct_0007.png"),
        ("CT_0012.png", "ct_0012.png"),
        ("label_ct_12.npy", "ct_0012.png"),
        ("ct_1.png", None),
        ("ct_70.png", None),
        ("ct.png", None),
    ],
)
def test_one_label(label: str, expected: str | None) -> None:
    assert match_names(WANTED, [label]).get(label) == expected


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["img0001", "img0002"], ["label0001", "label0002"]),
        (["volume-0", "volume-10"], ["segmentation-0", "segmentation-10"]),
        (["image_1", "image_2"], ["mask_1", "mask_2"]),
        (["a_img", "b_img"], ["a_seg", "b_seg"]),
        (["case_1_0000", "case_2_0000"], ["case_1", "case_2"]),
        (["ISIC_0000000", "ISIC_0000001"], ["ISIC_0000000_segmentation", "ISIC_0000001_Seg"]),
    ],
)
def test_names_of_public_sets(tmp_path: Path, images: list[str], labels: list[str]) -> None:
    for name in images:
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / f"{name}.png")
    found = match_names(slice_names(open_source(tmp_path)), labels)
    assert found == {label: f"{image}.png" for label, image in zip(labels, images, strict=True)}


def test_what_could_be_two_images_is_none() -> None:
    wanted = {"7.png": ["7"], "07.png": ["07"], "8.png": ["8", "s"], "9.png": ["9", "s"]}
    found = match_names(wanted, ["7.png", "07.png", "007.png", "s.png", "08.png"])
    assert found == {"7.png": "7.png", "07.png": "07.png", "08.png": "8.png"}


@given(st.sets(st.integers(0, 2000), min_size=1, max_size=30), st.integers(1, 6), st.booleans())
def test_padding_never_moves_a_label(numbers: set[int], width: int, padded: bool) -> None:
    wanted = {f"{n:04d}": [f"{n:04d}"] for n in numbers}
    labels = [f"{n:0{width if padded else 1}d}_mask.png" for n in numbers]
    found = match_names(wanted, labels)
    assert [int(found[one]) for one in labels] == list(numbers)
    assert np.unique(list(found.values())).size == len(numbers)
