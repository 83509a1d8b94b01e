"""Every form of images with every form of labels, under every name that labels go by."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fewshot.errors import InputError
from fewshot.importing.convert import ConvertRequest, convert
from fewshot.importing.slices import ImportOptions, import_slices
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import image_stem
from fewshot.slices.label_csv import write_label_csv
from fewshot.slices.label_names import origin_of, stem_of
from fewshot.slices.sources.recognise import open_source
from fewshot.slices.sources.source import SliceSource
from fewshot.slices.volume import put_slice
from fewshot.slices.window import Window

COUNT, HEIGHT, WIDTH = 12, 12, 20
PICTURES = np.random.default_rng(0).integers(1, 200, (COUNT, HEIGHT, WIDTH)).astype(np.uint8)
AFFINE = np.diag([0.5, 0.75, 2, 1])
SPLIT = (0, 7, 12)  # of two patients


def labels_of(rank: int) -> Any:
    """The labels of a slice, which no other slice has."""
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[2:5, rank : rank + 6] = 7
    ids[8:11, 1:4] = 2
    return ids


def as_images(suffix: str, dtype: Any = np.uint8) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for index, picture in enumerate(PICTURES):
            scaled = picture.astype(dtype) * dtype(1 if dtype is np.uint8 else 16)
            Image.fromarray(scaled).save(folder / f"{index}{suffix}", quality=95)
        return folder

    return make


def stack(folder: Path) -> Path:
    np.save(folder / "x.npy", PICTURES)
    return folder / "x.npy"


def archive(folder: Path) -> Path:
    np.savez_compressed(folder / "x.npz", images=PICTURES)
    return folder / "x.npz"


def arrays(folder: Path) -> Path:
    for index, picture in enumerate(PICTURES):
        np.save(folder / f"s{index}.npy", picture)
    return folder


def stacks(folder: Path) -> Path:
    for name, first, last in zip("ab", SPLIT, SPLIT[1:], strict=False):
        np.save(folder / f"{name}.npy", PICTURES[first:last])
    return folder


def _nifti(path: Path, pictures: Any, affine: Any, axis: int, shape: Any) -> None:
    voxels = np.zeros(shape, np.int16)
    for index, picture in enumerate(pictures):
        put_slice(voxels, axis, index, affine, picture)
    nibabel.save(nibabel.nifti1.Nifti1Image(voxels, affine), path)


def volume(folder: Path) -> Path:
    _nifti(folder / "ct.nii.gz", PICTURES, AFFINE, 2, (WIDTH, HEIGHT, COUNT))
    return folder / "ct.nii.gz"


def volumes(folder: Path) -> Path:
    for name, first, last in zip("ab", SPLIT, SPLIT[1:], strict=False):
        part = PICTURES[first:last]
        _nifti(folder / f"{name}.nii", part, AFFINE, 2, (WIDTH, HEIGHT, len(part)))
    return folder


def _dicom(path: Path, pixels: Any, index: int, series: str, patient: str) -> None:
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
    one.PatientID, one.SeriesInstanceUID, one.InstanceNumber = patient, series, index + 1
    one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    one.ImagePositionPatient, one.PixelSpacing = [0, 0, 2.5 * index], [0.75, 0.5]
    one.Rows, one.Columns = HEIGHT, WIDTH
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated = one.BitsStored = 8
    one.HighBit, one.PixelRepresentation = 7, 0
    one.PixelData = np.ascontiguousarray(pixels).tobytes()
    if pixels.ndim == 3:
        one.NumberOfFrames = len(pixels)
    one.save_as(path, enforce_file_format=True)


def series(folder: Path) -> Path:
    uid = generate_uid()
    for index, picture in enumerate(PICTURES):
        _dicom(folder / f"IM{index}", picture, index, uid, "p1")
    return folder


def frames(folder: Path) -> Path:
    _dicom(folder / "many.dcm", PICTURES, 0, generate_uid(), "p1")
    return folder / "many.dcm"


IMAGES: dict[str, Callable[[Path], Path]] = {
    "PNG": as_images(".png"),
    "JPEG": as_images(".jpg"),
    "BMP": as_images(".bmp"),
    "TIFF 16": as_images(".tif", np.uint16),
    "stack": stack,
    "archive": archive,
    "arrays": arrays,
    "stacks": stacks,
    "volume": volume,
    "volumes": volumes,
    "DICOM": series,
    "frames": frames,
}

# The names that labels of a slice may have, from the slice's own name and its index in its file.
NAMES: dict[str, Callable[[str, str, int, int], str]] = {
    "own": lambda own, file, place, count: own,
    "mask behind": lambda own, file, place, count: f"{own}_mask",
    "label before": lambda own, file, place, count: f"label_{own}",
    "file": lambda own, file, place, count: file if count == 1 else f"{file}_{place}",
    "padded": lambda own, file, place, count: file if count == 1 else f"{file}_{place:05d}_seg",
    "capitals": lambda own, file, place, count: own.upper(),
}


def named(source: SliceSource, how: str) -> list[str]:
    files = [origin_of(item) for item in source.slices]
    return [
        NAMES[how](
            image_stem(item.name),
            stem_of(file.name),
            files[:rank].count(file),
            files.count(file),
        )
        for rank, (item, file) in enumerate(zip(source.slices, files, strict=True))
    ]


def label_images(suffix: str, dtype: Any) -> Callable[[Path, SliceSource, Sequence[str]], Path]:
    def make(folder: Path, source: SliceSource, names: Sequence[str]) -> Path:
        for rank, name in enumerate(names):
            Image.fromarray(labels_of(rank).astype(dtype)).save(folder / f"{name}{suffix}")
        return folder

    return make


def label_arrays(folder: Path, source: SliceSource, names: Sequence[str]) -> Path:
    for rank, name in enumerate(names):
        np.save(folder / f"{name}.npy", labels_of(rank))
    return folder


def label_stack(folder: Path, source: SliceSource, names: Sequence[str]) -> Path:
    np.save(folder / "y.npy", np.stack([labels_of(rank) for rank in range(COUNT)]))
    return folder / "y.npy"


def label_stacks(folder: Path, source: SliceSource, names: Sequence[str]) -> Path:
    ranks: dict[str, list[int]] = {}
    for rank, item in enumerate(source.slices):
        ranks.setdefault(stem_of(origin_of(item).name), []).append(rank)
    for name, its in ranks.items():
        np.save(folder / f"{name}_labels.npy", np.stack([labels_of(rank) for rank in its]))
    return folder


def label_table(folder: Path, source: SliceSource, names: Sequence[str]) -> Path:
    write_label_csv(folder / "y.csv", names, [labels_of(rank) for rank in range(COUNT)])
    return folder / "y.csv"


def label_coco(folder: Path, source: SliceSource, names: Sequence[str]) -> Path:
    records = tuple(
        SliceRecord(rank, f"{name}.png", HEIGHT, WIDTH) for rank, name in enumerate(names)
    )
    masks = {rank: SliceMasks.from_label_map(rank, labels_of(rank)) for rank in range(COUNT)}
    write_coco(folder / "y.json", SliceSet(folder, records, masks), "")
    text = (folder / "y.json").read_text()
    (folder / "y.json").write_text(text.replace('"file_name": "', '"file_name": "C:\\\\up\\\\'))
    return folder / "y.json"


def label_volumes(folder: Path, source: SliceSource, names: Sequence[str]) -> Path:
    for name, one in source.volumes.items():
        ranks = [rank for rank, item in enumerate(source.slices) if item.volume == name]
        maps = [labels_of(rank) for rank in ranks]
        _nifti(folder / f"{name}_seg.nii.gz", maps, np.array(one.affine), one.axis, one.shape)
    return folder


LABELS: dict[str, Callable[[Path, SliceSource, Sequence[str]], Path]] = {
    "PNG": label_images(".png", np.uint8),
    "TIFF float": label_images(".tif", np.float32),
    "arrays": label_arrays,
    "table": label_table,
    "COCO": label_coco,
}
WHOLE: dict[str, Callable[[Path, SliceSource, Sequence[str]], Path]] = {
    "stack": label_stack,
    "stacks": label_stacks,
    "volumes": label_volumes,
}


def check(root: Path, images: Path, labels: Path) -> None:
    options = ImportOptions(pictures=root / "made", window=_window(images))
    found = import_slices(images, labels, None, options).slices
    assert len(found) == COUNT
    assert len(found.masks) == COUNT
    for rank, record in enumerate(found.records):
        expected = np.array([labels_of(rank) == 2, labels_of(rank) == 7])
        np.testing.assert_array_equal(found.masks_of(record.image_id).decode(), expected)


def _window(images: Path) -> Window | None:
    return None if open_source(images).ready else Window(127.5, 255)


@pytest.fixture(scope="module", params=IMAGES)
def images(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return IMAGES[request.param](tmp_path_factory.mktemp("images"))


# All forms of labels go by names through one function, so that two forms try all names.
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (labels, names)
        for labels in LABELS
        for names in NAMES
        if labels in ("PNG", "COCO") or names == "file"
    ],
)
def test_labels_by_name(tmp_path: Path, images: Path, labels: str, names: str) -> None:
    source = open_source(images)
    folder = tmp_path / "y"
    folder.mkdir()
    check(tmp_path, images, LABELS[labels](folder, source, named(source, names)))


@pytest.mark.parametrize("labels", WHOLE)
def test_labels_of_whole_files(tmp_path: Path, images: Path, labels: str) -> None:
    source = open_source(images)
    folder = tmp_path / "y"
    folder.mkdir()
    if labels == "volumes" and not source.volumes:
        label_volumes(folder, open_source(volume(tmp_path)), ())
        with pytest.raises(InputError, match=r"is a label volume, but .* holds no volume; give"):
            check(tmp_path, images, folder)
    else:
        check(tmp_path, images, WHOLE[labels](folder, source, ()))


@pytest.mark.parametrize("labels", ["PNG", "TIFF float"])
def test_labels_of_other_images_are_refused_by_name(
    tmp_path: Path, images: Path, labels: str
) -> None:
    names = [f"other{rank}" for rank in range(COUNT)]
    folder = tmp_path / "y"
    folder.mkdir()
    made = LABELS[labels](folder, open_source(images), names)
    with pytest.raises(InputError, match=r"y: no image for 'other0.*; name labels as their images"):
        check(tmp_path, images, made)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF 16", "arrays", "stacks", "volumes"])
def test_labels_may_lie_beside_their_images(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    images = IMAGES[form](folder)
    with pytest.raises(InputError, match="holds the images, and each would be its own label"):
        check(tmp_path, images, images)
    source = open_source(images)
    beside = {"stacks": label_stacks, "volumes": label_volumes, "arrays": label_arrays}
    make = beside.get(form, label_images(".png", np.uint8))
    make(folder, source, named(source, "mask behind"))
    check(tmp_path, images, images)


@pytest.mark.parametrize("form", ["stack", "volume", "frames"])
def test_a_file_is_not_its_own_label(tmp_path: Path, form: str) -> None:
    images = IMAGES[form](tmp_path)
    with pytest.raises(
        InputError, match=r"each would be its own label|no labels in it that are read"
    ):
        check(tmp_path, images, images)


def test_an_archive_may_hold_images_and_labels(tmp_path: Path) -> None:
    maps = np.stack([labels_of(rank) for rank in range(COUNT)])
    np.savez(tmp_path / "x.npz", images=PICTURES, labels=maps)
    check(tmp_path, tmp_path / "x.npz", tmp_path / "x.npz")


def test_several_label_images_of_one_image_are_its_structures(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    Image.fromarray(PICTURES[0]).save(tmp_path / "x" / "benign (3).png")
    first, second = labels_of(0) == 7, np.roll(labels_of(0) == 7, 2, axis=1)
    for name, mask in (("", first), ("_1", second)):
        Image.fromarray(mask.astype(np.uint8) * 255).save(
            tmp_path / "y" / f"benign (3)_mask{name}.png"
        )
    found = import_slices(tmp_path / "x", tmp_path / "y").slices
    np.testing.assert_array_equal(found.masks_of(0).decode(), [first, second])


def test_hidden_files_are_passed_over_in_every_form(tmp_path: Path, images: Path) -> None:
    if images.is_dir():
        for one in [*images.iterdir()]:
            (images / f"._{one.name}").write_bytes(b"\0\5\x16\7" + bytes(100))
        (images / "__MACOSX").mkdir(exist_ok=True)
        (images / "__MACOSX" / next(images.iterdir()).name).write_bytes(b"junk")
        (images / ".DS_Store").write_bytes(b"junk")
    assert len(open_source(images).slices) == COUNT


@pytest.mark.parametrize("keep_ids", [False, True])
@pytest.mark.parametrize("labels", ["PNG", "COCO", "table", "volumes"])
def test_labels_of_the_slices_that_convert_wrote(
    tmp_path: Path, images: Path, labels: str, keep_ids: bool
) -> None:
    """Who converts, annotates the pictures and converts again finds the labels, by any name."""
    source = open_source(images)
    if (labels == "volumes" and not source.volumes) or source.form != "DICOM":
        return
    options = ImportOptions(window=_window(images))
    convert(ConvertRequest(images, None, None, True, 0.2, 0, options, keep_ids), tmp_path / "o")
    written = read_coco(tmp_path / "o" / "test.json")
    folder = tmp_path / "y"
    folder.mkdir()
    if labels == "volumes":
        made = label_volumes(folder, source, ())
        for one in made.iterdir():
            one.rename(folder / f"{next(iter(written.volumes))}.nii.gz")
    else:
        names = [image_stem(record.file_name) for record in written.records]
        made = LABELS[labels](folder, source, names)
    request = ConvertRequest(images, made, None, True, 0.2, 0, options, keep_ids)
    assert convert(request, tmp_path / "p")["found"]["labelled"] == COUNT
