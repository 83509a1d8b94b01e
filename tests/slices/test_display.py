"""How files say they are to be shown is followed in every form, at every depth."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fewshot.errors import InputError
from fewshot.slices.display import OwnWindow, full_range, luminance, negative, turned
from fewshot.slices.images import (
    image_size,
    read_channels,
    read_colour,
    read_ids,
    read_image,
    read_values,
)
from fewshot.slices.remarks import collecting
from fewshot.slices.sources.dicom import DicomSeries
from fewshot.slices.window import Window, apply_window

GREY = np.repeat(np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3) * 50, 8, 0), 8, 1)
COLOUR = np.stack([GREY, GREY // 2, 255 - GREY], axis=-1)


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def pillow(values: Any) -> Callable[[Path, int], None]:
    def save(path: Path, orientation: int) -> None:
        Image.fromarray(values).save(path, exif=exif(orientation), quality=98, subsampling=0)

    return save


def tiff(values: Any, photometric: str = "minisblack") -> Callable[[Path, int], None]:
    def save(path: Path, orientation: int) -> None:
        tags = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, values, photometric=photometric, extratags=tags)

    return save


def deep_png(path: Path, orientation: int) -> None:
    """A 16-bit colour PNG, which Pillow cannot write; its EXIF follows the pixels."""
    import struct
    import zlib

    content = cv2.imencode(".png", COLOUR[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    chunk = b"eXIf" + exif(orientation).tobytes()[6:]
    ended = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content[:-12] + ended + content[-12:])


# form -> (suffix, writer, largest value)
ORIENTED: dict[str, tuple[str, Callable[[Path, int], None], float]] = {
    "jpeg": (".jpg", pillow(GREY), 255),
    "png": (".png", pillow(GREY), 255),
    "png 16": (".png", pillow(GREY.astype(np.uint16) * 257), 65535),
    "tiff": (".tif", tiff(GREY), 255),
    "tiff 16": (".tif", tiff(GREY.astype(np.uint16) * 257), 65535),
    "tiff float": (".tif", tiff(GREY.astype(np.float32) / 255), 1),
}
COLOURED: dict[str, tuple[str, Callable[[Path, int], None], float]] = {
    "jpeg": (".jpg", pillow(COLOUR), 255),
    "png": (".png", pillow(COLOUR), 255),
    "png 16": (".png", deep_png, 65535),
    "tiff": (".tif", tiff(COLOUR, "rgb"), 255),
    "tiff 16": (".tif", tiff(COLOUR.astype(np.uint16) * 257, "rgb"), 65535),
}


def upright(pixels: Any, orientation: int) -> Any:
    """The oracle: Pillow's own way of turning an image that carries the tag."""
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    return np.array(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ORIENTED)
def test_orientation_of_grey(tmp_path: Path, form: str, orientation: int) -> None:
    suffix, save, white = ORIENTED[form]
    path = tmp_path / f"0{suffix}"
    save(path, orientation)
    expected = upright(GREY, orientation)
    found = read_values(path) * (255 / white)
    np.testing.assert_allclose(found, expected, atol=3 if form == "jpeg" else 0.01)
    assert image_size(path) == expected.shape
    if form != "jpeg":
        np.testing.assert_allclose(read_ids(path) * (255 / white), expected, atol=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", COLOURED)
def test_orientation_of_colour(tmp_path: Path, form: str, orientation: int) -> None:
    suffix, save, white = COLOURED[form]
    path = tmp_path / f"0{suffix}"
    save(path, orientation)
    expected = upright(COLOUR, orientation)
    found = read_values(path) * (255 / white)
    near = 6 if form == "jpeg" else 0.51
    np.testing.assert_allclose(found, expected @ [0.299, 0.587, 0.114], atol=near)
    assert image_size(path) == expected.shape[:2]
    if white == 255:
        np.testing.assert_allclose(read_colour(path).astype(int), expected, atol=near * 4)
        np.testing.assert_allclose(read_channels(path).astype(int), expected, atol=near * 4)


@pytest.mark.parametrize("tag", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path, tag: int) -> None:
    Image.fromarray(GREY).save(tmp_path / "0.png", exif=exif(tag))
    np.testing.assert_array_equal(read_image(tmp_path / "0.png"), GREY)


def test_turned_pictures_are_said(tmp_path: Path) -> None:
    for name, orientation in (("0.jpg", 1), ("1.jpg", 3), ("2.jpg", 8)):
        Image.fromarray(GREY).save(tmp_path / name, exif=exif(orientation))
    with collecting() as remarks:
        for name in ("0.jpg", "1.jpg", "2.jpg", "2.jpg"):
            read_image(tmp_path / name)
    assert remarks.lines() == [
        f"turned as the EXIF orientation says (2: {tmp_path / '1.jpg'}, {tmp_path / '2.jpg'})"
    ]


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (GREY, 255),
        (GREY.astype(np.uint16) * 257, 65535),
        (GREY.astype(np.float32), 0),
        (GREY > 99, True),
    ],
    ids=["8", "16", "float", "1"],
)
def test_white_is_zero_at_every_depth(tmp_path: Path, values: Any, white: float) -> None:
    """A negative stored with the tag that says so is the picture again."""
    for name, stored, kind in (
        ("a.tif", values, "minisblack"),
        ("b.tif", ~values if values.dtype == bool else white - values, "miniswhite"),
    ):
        tifffile.imwrite(tmp_path / name, stored.astype(values.dtype), photometric=kind)
    black, negated = read_values(tmp_path / "a.tif"), read_values(tmp_path / "b.tif")
    np.testing.assert_array_equal(black.astype(float), negated.astype(float))
    np.testing.assert_array_equal(read_ids(tmp_path / "b.tif"), read_ids(tmp_path / "a.tif"))


def test_signed_bytes_keep_their_sign(tmp_path: Path) -> None:
    values = (GREY.astype(int) - 100).astype(np.int8)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_values(tmp_path / "a.tif"), values)
    np.testing.assert_array_equal(read_ids(tmp_path / "a.tif"), values)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colours_are_their_luminance(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(COLOUR).convert(mode)
    image.save(tmp_path / "a.tif")
    expected = np.array(image.convert("RGB")) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(read_image(tmp_path / "a.tif"), expected, atol=0.51)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_palette_is_looked_up_for_pictures_and_not_for_ids(tmp_path: Path, suffix: str) -> None:
    image = Image.frombytes("P", (24, 16), (GREY // 50).tobytes())
    image.putpalette([value for grey in range(256) for value in (min(grey * 40, 255),) * 3])
    path = tmp_path / f"a{suffix}"
    image.save(path)
    np.testing.assert_array_equal(read_image(path), GREY // 50 * 40)
    np.testing.assert_array_equal(read_ids(path), GREY // 50)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_ids_of_few_bits_are_the_stored_ones(tmp_path: Path, bits: int) -> None:
    ids = (GREY // 50).astype(np.uint8) % 2**bits
    spread = (ids * (255 // (2**bits - 1))).astype(np.uint8)
    packed = np.packbits(
        np.unpackbits(ids[..., None], axis=-1)[..., 8 - bits :].reshape(len(ids), -1), axis=-1
    )
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], bits, 0, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), spread)
    np.testing.assert_array_equal(read_ids(tmp_path / "a.png"), ids)


FLAT = np.full_like(GREY, 7)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(np.stack([FLAT, GREY], axis=-1)),
        Image.fromarray(np.stack([FLAT, FLAT, FLAT, GREY], axis=-1)),
    ],
    ids=["LA", "RGBA"],
)
def test_what_is_in_the_alpha_channel_alone_is_refused(tmp_path: Path, image: Any) -> None:
    image.save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: all pixels are 7, the picture is in the alpha"):
        read_image(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: all pixels are 7, the labels are in the alpha"):
        read_ids(tmp_path / "a.png")


def test_ids_that_are_transparent_are_refused_and_others_are_not(tmp_path: Path) -> None:
    seen = np.where(GREY > 99, 255, 0).astype(np.uint8)
    Image.fromarray(np.stack([GREY] * 3 + [255 - seen], axis=-1)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"256 labelled pixels are transparent"):
        read_ids(tmp_path / "a.png")
    hidden = np.where(seen > 0, GREY, 0)
    Image.fromarray(np.stack([hidden] * 3 + [seen], axis=-1)).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "b.png"), hidden)


def test_labels_in_jpeg_are_refused(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(InputError, match="is a JPEG, which blurs the edges of labels"):
        read_ids(tmp_path / "a.png")


def dicom(path: Path, pixels: Any, **elements: Any) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.PatientID, dataset.SeriesInstanceUID = "p", "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[2]
    dataset.PhotometricInterpretation = "MONOCHROME2"
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    for key, value in elements.items():
        setattr(dataset, key, value)
    path.parent.mkdir(exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def shown(path: Path, window: Window | None = None) -> Any:
    source = DicomSeries(path)
    picture = source.picture(source.slices[0], window)
    assert picture is not None
    return picture


WIDE = {"WindowCenter": 127.5, "WindowWidth": 51, "VOILUTFunction": "LINEAR_EXACT"}


@pytest.mark.parametrize("inverse", ["MONOCHROME1", "PresentationLUTShape"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("how", ["own", "given", "none"])
def test_dicom_windows_and_negatives_at_every_depth(
    tmp_path: Path, inverse: str, dtype: Any, how: str
) -> None:
    if how == "none" and dtype is not np.uint8:
        return  # nothing says how such values are shown
    own = WIDE if how == "own" else {}
    window = None if how != "given" else Window(127.5, 51)
    expected = GREY if how == "none" else apply_window(GREY, Window(127.5, 51))
    turn = {"MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1"}}.get(
        inverse, {"PresentationLUTShape": "INVERSE"}
    )
    plain = dicom(tmp_path / "a.dcm", GREY.astype(dtype), **own)
    inverted = dicom(tmp_path / "b.dcm", GREY.astype(dtype), **own, **turn)
    np.testing.assert_array_equal(shown(plain, window), expected)
    np.testing.assert_array_equal(shown(inverted, window), 255 - expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_dicom_colour_and_palettes_fill_their_range(tmp_path: Path, dtype: Any) -> None:
    expected = COLOUR @ [0.299, 0.587, 0.114]
    scale = 1 if dtype is np.uint8 else 257
    rgb = dicom(
        tmp_path / "a.dcm", COLOUR.astype(dtype) * dtype(scale), PhotometricInterpretation="RGB"
    )
    np.testing.assert_allclose(shown(rgb), expected, atol=0.51)
    entries = np.repeat(np.arange(6) * 50, 1)
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, values in (("Red", entries), ("Green", entries // 2), ("Blue", 255 - entries)):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [6, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = (values * 257).astype("<u2").tobytes()
    palette = dicom(tmp_path / "b.dcm", (GREY // 50).astype(dtype), **elements)
    np.testing.assert_allclose(shown(palette), expected, atol=0.6)


def test_dicom_of_few_bits_fills_its_range(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", GREY // 50, BitsStored=4, HighBit=3)
    np.testing.assert_array_equal(shown(path), GREY // 50 * 17)


def series(folder: Path, *elements: dict[str, Any]) -> list[Any]:
    for index, one in enumerate(elements):
        dicom(folder / f"{index}.dcm", GREY.astype(np.uint16), InstanceNumber=index, **one)
    source = DicomSeries(folder)
    return [source.picture(item, None) for item in source.slices]


def window(centre: float, width: float, function: str = "LINEAR") -> dict[str, Any]:
    return {"WindowCenter": centre, "WindowWidth": width, "VOILUTFunction": function}


@settings(max_examples=25, deadline=None)
@given(
    windows=st.lists(
        st.tuples(st.integers(1, 300), st.integers(2, 600)), min_size=2, max_size=4, unique=True
    )
)
def test_equal_values_stay_equal_within_a_series(tmp_path_factory: Any, windows: Any) -> None:
    with collecting() as remarks:
        pictures = series(tmp_path_factory.mktemp("a"), *(window(*one) for one in windows))
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])
    assert remarks.lines()[0].startswith(f"{len(windows)} windows in one series, ")


def test_one_window_in_all_files_is_followed_without_a_word(tmp_path: Path) -> None:
    with collecting() as remarks:
        pictures = series(tmp_path / "a", window(100, 200), window(100, 200))
    np.testing.assert_array_equal(pictures[0], OwnWindow(100, 200).apply(GREY))
    assert not remarks.lines()


def test_windows_that_differ_between_series_are_said(tmp_path: Path) -> None:
    for index, (uid, level) in enumerate([("1.2.3", 100), ("1.2.4", 50)]):
        path = tmp_path / "a" / f"{index}.dcm"
        dicom(path, GREY.astype(np.uint16), SeriesInstanceUID=uid, **window(level, 200))
    source = DicomSeries(tmp_path / "a")
    with collecting() as remarks:
        pictures = np.array([source.picture(item, None) for item in source.slices])
    assert (pictures[0] != pictures[1]).any()
    assert remarks.lines()[0].startswith("series are shown by windows of their own, so that equal")


@pytest.mark.parametrize(
    "elements", [(window(100, 200), {}), (window(100, 200), window(100, 200, "SIGMOID"))]
)
def test_ways_that_cannot_be_made_one_ask_for_a_window(tmp_path: Path, elements: Any) -> None:
    with pytest.raises(InputError, match="shown in 2 ways that cannot be made one; give --window"):
        series(tmp_path / "a", *elements)
    source = DicomSeries(tmp_path / "a")
    assert source.picture(source.slices[0], Window(100, 200)) is not None


def test_functions_of_windows() -> None:
    values = np.array([[0, 50, 100, 150, 200]], np.int16)
    sigmoid = OwnWindow(100, 100, "SIGMOID").apply(values)
    assert sigmoid.tolist() == [[5, 30, 128, 225, 250]]
    assert OwnWindow(100, 200, "LINEAR_EXACT").apply(values).tolist() == [[0, 64, 128, 191, 255]]
    assert OwnWindow(100.5, 201).apply(values).tolist() == [[0, 64, 128, 191, 255]]


def test_small_pieces() -> None:
    np.testing.assert_array_equal(negative(np.array([0, 7], np.uint8)), [255, 248])
    np.testing.assert_array_equal(negative(np.array([-(2**31), 7], np.int32)), [2**31, -7])
    np.testing.assert_array_equal(full_range(np.array([[0, 15]]), 4), [[0, 255]])
    assert luminance(COLOUR).dtype == np.uint8
    np.testing.assert_array_equal(turned(GREY, 1), GREY)
