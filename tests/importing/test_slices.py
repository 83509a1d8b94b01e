"""Every form of images and labels becomes the same slices and masks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from fewshot.errors import InputError
from fewshot.importing.slices import Imported, ImportOptions, import_slices
from fewshot.masks.coco import SliceSet, read_coco, write_coco
from fewshot.slices.images import read_image, write_image
from fewshot.slices.volume import put_slice
from fewshot.slices.window import Window
from fewshot.text import is_plain

COUNT, HEIGHT, WIDTH = 5, 12, 20
PICTURES = np.random.default_rng(0).integers(0, 256, (COUNT, HEIGHT, WIDTH)).astype(np.uint8)
LABELS = np.zeros((COUNT, HEIGHT, WIDTH), np.uint8)
LABELS[:4, 2:5, 3:9] = 7
LABELS[:4, 8:10, 1:4] = 2
LABELS[1, 0, 19] = 200
AFFINE = np.diag([0.5, 0.75, 2, 1])


def as_volume(pictures: Any, path: Path, dtype: Any = np.int16) -> Path:
    voxels = np.zeros((WIDTH, HEIGHT, COUNT), dtype)
    for index, picture in enumerate(pictures):
        put_slice(voxels, 2, index, AFFINE, picture)
    nibabel.save(nibabel.nifti1.Nifti1Image(voxels, AFFINE), path)
    return path


def as_images(pictures: Any, folder: Path, end: str = "") -> Path:
    folder.mkdir()
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{index}{end}.png")
    return folder


def as_array(pictures: Any, path: Path) -> Path:
    np.save(path, pictures)
    return path


Maker = Callable[[Path], Path]
IMAGES: dict[str, Maker] = {
    "images": lambda root: as_images(PICTURES, root / "x"),
    "deep images": lambda root: as_images(PICTURES.astype(np.uint16) * 16, root / "x"),
    "arrays": lambda root: as_array(PICTURES, root / "x.npy"),
    "volume": lambda root: as_volume(PICTURES, root / "x.nii.gz"),
}
LABEL_FORMS: dict[str, Maker] = {
    "images": lambda root: as_images(LABELS, root / "y"),
    "named images": lambda root: as_images(LABELS, root / "y", "_mask"),
    "arrays": lambda root: as_array(LABELS, root / "y.npy"),
}
SHOWN = Window(127.5, 255)


def convert(root: Path, images: Path, labels: Path | None, **options: Any) -> Imported:
    return import_slices(images, labels, None, ImportOptions(pictures=root / "made", **options))


def check(imported: Imported) -> None:
    slices = imported.slices
    assert len(slices) == COUNT
    for index, record in enumerate(slices.records):
        assert (record.height, record.width) == (HEIGHT, WIDTH)
        np.testing.assert_array_equal(read_image(slices.path_of(record)), PICTURES[index])
        ids = np.unique(LABELS[index])[1:]
        expected = np.array([LABELS[index] == one for one in ids]).reshape(-1, HEIGHT, WIDTH)
        np.testing.assert_array_equal(slices.masks_of(record.image_id).decode(), expected)
    assert sorted(slices.masks) == [0, 1, 2, 3]


@pytest.mark.parametrize("images", ["images", "deep images", "arrays"])
@pytest.mark.parametrize("labels", LABEL_FORMS)
def test_forms_agree(tmp_path: Path, images: str, labels: str) -> None:
    window = Window(127.5 * 16, 255 * 16) if images == "deep images" else None
    made = IMAGES[images](tmp_path), LABEL_FORMS[labels](tmp_path)
    check(convert(tmp_path, *made, window=window))


def test_volumes_agree_and_keep_their_place(tmp_path: Path) -> None:
    labels = as_volume(LABELS, tmp_path / "y.nii", np.uint8)
    imported = convert(tmp_path, IMAGES["volume"](tmp_path), labels, window=SHOWN)
    check(imported)
    assert imported.slices.records[3].spacing == (0.75, 0.5)
    assert imported.slices.records[3].position == 6
    write_coco(tmp_path / "a.json", imported.slices, "volume")
    assert read_coco(tmp_path / "a.json").volumes == imported.slices.volumes


def test_coco_labels_are_matched_by_name(tmp_path: Path) -> None:
    images = IMAGES["images"](tmp_path)
    slices = import_slices(images, LABEL_FORMS["images"](tmp_path)).slices
    write_coco(tmp_path / "y.json", slices, "labels")
    check(import_slices(images, tmp_path / "y.json"))
    one = SliceSet(images, slices.records[:1], {0: slices.masks_of(0)})
    write_coco(tmp_path / "one.json", one, "labels")
    assert list(import_slices(images, tmp_path / "one.json").slices.masks) == [0]


def test_boxes_are_not_masks(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("patientId,x,y,width,height,Target\n0,1,2,3,4,1\n1,,,,,0\n")
    imported = import_slices(IMAGES["images"](tmp_path), table)
    assert imported.boxes == {0: [(1, 2, 3, 4)], 1: []}
    assert not imported.slices.masks
    table.write_text("patientId,x,y,width,height,Target\nnobody,1,2,3,4,1\n")
    with pytest.raises(InputError, match="no image for patientId 'nobody'"):
        import_slices(tmp_path / "x", table)


@pytest.mark.parametrize("how", [None, "percentile", "minmax"])
def test_an_automatic_window_is_one_for_all_slices_and_is_told(tmp_path: Path, how: Any) -> None:
    pictures = (np.arange(COUNT)[:, None, None] * 1000 + PICTURES).astype(np.uint16)
    imported = convert(tmp_path, as_images(pictures, tmp_path / "x"), None, window=how)
    means = [read_image(imported.slices.path_of(one)).mean() for one in imported.slices.records]
    assert means == sorted(means)
    assert means[-1] > 150 > 50 > means[0]
    assert imported.window.endswith(f"({how or 'percentile'} of 5 slices)")


def smaller(path: Path) -> Path:
    image = nibabel.nifti1.Nifti1Image(np.zeros((WIDTH, HEIGHT, COUNT - 1), np.uint8), AFFINE)
    nibabel.save(image, path)
    return path


def shifted(root: Path) -> Path:
    nibabel.save(
        nibabel.nifti1.Nifti1Image(
            np.zeros((WIDTH, HEIGHT, COUNT), np.uint8), AFFINE + np.eye(4, k=3)
        ),
        root / "y.nii",
    )
    return root / "y.nii"


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ("volume", shifted, "another affine than the image x.nii.gz"),
        (
            "volume",
            lambda root: smaller(root / "y.nii"),
            "labels have shape .20, 12, 4., the image",
        ),
        ("images", lambda root: as_volume(LABELS, root / "y.nii"), "holds no volume"),
        ("images", lambda root: as_array(LABELS[:3], root / "y.npy"), "3 label maps for the 5"),
        ("images", lambda root: as_array(LABELS[:, 1:], root / "y.npy"), "labels are 11 x 20"),
        ("images", lambda root: as_array(LABELS / 3, root / "y.npy"), "labels have fractions"),
        ("images", lambda root: as_array(LABELS - 9.0, root / "y.npy"), "label -9 is negative"),
        ("images", lambda root: as_images(LABELS, root / "y", "_ct"), "no image for '0_ct.png'"),
        ("images", lambda root: root / "nothing", "no such file"),
    ],
)
def test_labels_of_other_images_are_refused(
    tmp_path: Path, images: str, labels: Maker, message: str
) -> None:
    made = IMAGES[images](tmp_path), labels(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        convert(tmp_path, *made)
    assert str(caught.value).startswith(str(tmp_path))


def test_one_bad_slice_is_passed_over_only_when_asked(tmp_path: Path) -> None:
    images, labels = IMAGES["images"](tmp_path), LABEL_FORMS["images"](tmp_path)
    (images / "2.png").write_bytes((images / "2.png").read_bytes()[:80])
    (labels / "1.png").write_text("no image")
    with pytest.raises(InputError, match=r"x/2\.png: cannot be read"):
        convert(tmp_path, images, labels)
    imported = convert(tmp_path, images, labels, skip_bad=True)
    assert [record.image_id for record in imported.slices.records] == [0, 3, 4]
    assert ["x/2.png" in imported.skipped[0], "y/1.png" in imported.skipped[1]] == [True, True]
    (images / "3.png").write_text("no image")
    imported = convert(tmp_path, images, labels, skip_bad=True)
    said = f"labels of {labels} without an image that was read are passed over (3.png)"
    assert imported.remarks == (said,)


def test_a_window_for_8_bit_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="8-bit grey already; leave --window out"):
        convert(tmp_path, IMAGES["images"](tmp_path), None, window=SHOWN)
    with pytest.raises(InputError, match="--axis coronal is for NIfTI volumes"):
        convert(tmp_path, tmp_path / "x", None, axis="coronal")


def test_images_of_two_depths_are_said_and_the_window_is_of_the_deeper_ones(tmp_path: Path) -> None:
    folder = as_images(PICTURES[:2], tmp_path / "x")
    Image.fromarray(PICTURES[2].astype(np.uint16) * 100).save(folder / "2.png")
    imported = convert(tmp_path, folder, None, window="minmax")
    assert imported.window.endswith("(minmax of 1 slices)")
    assert imported.remarks == (
        f"2 images of 8 bits are shown as they are, 1 deeper ones through the window ({folder})",
    )
    np.testing.assert_array_equal(read_image(tmp_path / "made" / "1.png"), PICTURES[1])


@pytest.mark.parametrize(
    "name", ["a\x1b[31m.png", "a\nb.png", "a\udcff.png", "\x9b.png", "a\u202e.png"]
)
def test_names_with_control_characters_are_refused_before_anything_is_written(
    name: str, tmp_path: Path
) -> None:
    write_image(tmp_path / "good.png", np.zeros((8, 8), np.uint8))
    (tmp_path / "X").mkdir()
    (tmp_path / "good.png").rename(tmp_path / "X" / name)
    with pytest.raises(InputError, match="control characters; rename it") as caught:
        import_slices(tmp_path / "X")
    assert is_plain(str(caught.value).rpartition("the file name")[2])


def test_groups_with_control_characters_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "X" / "0.png", np.zeros((8, 8), np.uint8))
    (tmp_path / "groups.csv").write_text("image,patient\n0.png,\x1b]0;pwned\n")
    with pytest.raises(InputError, match=r"the group .* holds control characters"):
        import_slices(tmp_path / "X", groups=tmp_path / "groups.csv")


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_labels_that_are_all_empty_are_said(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "LABELS", np.zeros_like(LABELS))
    labels = LABEL_FORMS[form](tmp_path)
    imported = convert(tmp_path, IMAGES["images"](tmp_path), labels)
    assert imported.remarks == (f"no slice is labelled: all labels are empty ({labels})",)
