"""DICOM: series, order, units, windows, codings, and files that are broken."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    generate_uid,
)

from fewshot.errors import InputError
from fewshot.slices.sources import dicom_process
from fewshot.slices.sources.dicom import DicomSeries, is_dicom
from fewshot.slices.volume import slice_of
from fewshot.slices.window import Window

ROWS, COLUMNS = 40, 64
SERIES = generate_uid()


def ct(index: int, **elements: Any) -> Dataset:
    """One slice of a CT: stored 1000 + 100 * index plus a ramp, which is HU + 1024."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.PatientID, dataset.SeriesInstanceUID = "CT", "pt 7", SERIES
    dataset.InstanceNumber = 50 - index
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [-10, -20, 100 + 2.5 * index]
    dataset.PixelSpacing = [0.8, 0.7]
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = stored(index).tobytes()
    for key, value in elements.items():
        if value is None:
            delattr(dataset, key)
        else:
            setattr(dataset, key, value)
    return dataset


def stored(index: int) -> Any:
    return (
        (1000 + 100 * index + np.arange(ROWS * COLUMNS) // 4).reshape(ROWS, COLUMNS).astype("<u2")
    )


def save(dataset: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_folder_is_sorted_by_position_whatever_the_names(tmp_path: Path) -> None:
    for index, name in enumerate(["b/3", "a/9.dcm", "c", "a/1.dcm"]):
        save(ct(index), tmp_path / name)
    (tmp_path / "notes.txt").write_text("not DICOM")
    source = DicomSeries(tmp_path)
    assert [item.name for item in source.slices] == [f"pt_7_1_000{n}.png" for n in range(4)]
    for index, item in enumerate(source.slices):
        np.testing.assert_array_equal(source.values(item), stored(index) - 1024.0)
        assert (item.group, item.index, item.spacing) == ("pt_7", index, (0.8, 0.7))
        assert item.position == pytest.approx(100 + 2.5 * index)
    (volume,) = source.volumes.values()
    assert (volume.shape, volume.axis) == ((COLUMNS, ROWS, 4), 2)
    expected: list[list[float]] = [
        [-0.7, 0, 0, 10],
        [0, -0.8, 0, 20],
        [0, 0, 2.5, 100],
        [0, 0, 0, 1],
    ]
    np.testing.assert_allclose(np.array(volume.affine), np.array(expected))
    # Stacked as an array the slices come out as they are stored.
    voxels = np.stack([stored(index).T for index in range(4)], axis=-1)
    np.testing.assert_array_equal(slice_of(voxels, 2, 3, volume.affine), stored(3))


def test_series_and_patients_are_kept_apart(tmp_path: Path) -> None:
    for index in range(2):
        save(ct(index), tmp_path / f"a{index}")
        other = ct(index, SeriesInstanceUID="1.2.3", PatientID="other")
        save(other, tmp_path / f"b{index}")
    source = DicomSeries(tmp_path)
    assert [item.group for item in source.slices] == ["pt_7", "pt_7", "other", "other"]
    assert len(source.volumes) == 2


def test_without_positions_the_instance_number_sorts(tmp_path: Path) -> None:
    for index in range(3):
        save(ct(index, ImagePositionPatient=None, PatientID=None), tmp_path / f"{index}.dcm")
    source = DicomSeries(tmp_path)
    assert [source.values(item)[0, 0] for item in source.slices] == [176, 76, -24]
    assert not source.volumes
    assert {item.position for item in source.slices} == {None}


WINDOW = {"WindowCenter": 100, "WindowWidth": 200}


@pytest.mark.parametrize(
    ("elements", "window", "low", "high"),
    [
        # HU runs from -24 to 615 over the picture.
        (WINDOW, None, 0, 255),
        ({"WindowCenter": [100, 40], "WindowWidth": [200, 80]}, None, 0, 255),
        ({**WINDOW, "VOILUTFunction": "SIGMOID"}, None, 20, 255),
        (WINDOW, Window(1000, 4000), 62, 103),
        ({**WINDOW, "PhotometricInterpretation": "MONOCHROME1"}, None, 255, 0),
        ({"PhotometricInterpretation": "MONOCHROME1"}, Window(1000, 4000), 193, 152),
    ],
)
def test_windows(
    tmp_path: Path, elements: dict[str, Any], window: Window | None, low: int, high: int
) -> None:
    source = DicomSeries(save(ct(0, **elements), tmp_path / "a"))
    picture = source.picture(source.slices[0], window)
    assert picture is not None
    assert (picture[0, 0], picture[-1, -1]) == pytest.approx((low, high), abs=1)


def test_without_a_window_the_file_does_not_say(tmp_path: Path) -> None:
    source = DicomSeries(save(ct(0), tmp_path / "a"))
    assert source.picture(source.slices[0], None) is None


def test_a_voi_lut_is_looked_up(tmp_path: Path) -> None:
    lut = Dataset()
    lut.LUTDescriptor = [1024, 0, 16]
    lut["LUTDescriptor"].VR = "US"
    lut.add_new("LUTData", "US", [257 * min(value // 2, 255) for value in range(1024)])
    dataset = ct(0, RescaleIntercept=-1000, VOILUTSequence=[lut])
    source = DicomSeries(save(dataset, tmp_path / "a"))
    picture = source.picture(source.slices[0], None)
    np.testing.assert_array_equal(picture, np.minimum((stored(0).astype(int) - 1000) // 2, 255))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_pixels_are_decoded(tmp_path: Path, syntax: Any) -> None:
    dataset = ct(0)
    dataset.compress(syntax)
    source = DicomSeries(save(dataset, tmp_path / "a"))
    np.testing.assert_array_equal(source.values(source.slices[0]), stored(0) - 1024.0)


def test_a_coded_size_that_is_not_the_files_is_refused_before_decoding(tmp_path: Path) -> None:
    dataset = ct(0)
    dataset.compress(JPEG2000Lossless)
    dataset.Rows = ROWS - 1
    with pytest.raises(InputError, match=r"b: its pixels are coded as \(40, 64\), not 39 x 64"):
        first_values(save(dataset, tmp_path / "b"))


def test_frames_are_slices(tmp_path: Path) -> None:
    dataset = ct(0, NumberOfFrames=3, PixelData=b"".join(stored(n).tobytes() for n in range(3)))
    source = DicomSeries(save(dataset, tmp_path / "a"))
    assert len(source.slices) == 3
    for index, item in enumerate(source.slices):
        np.testing.assert_array_equal(source.values(item), stored(index) - 1024.0)


def test_colour_is_luminance(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
    elements = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "BitsAllocated": 8}
    dataset = ct(0, **elements, BitsStored=8, HighBit=7, PlanarConfiguration=0)
    dataset.PixelData = pixels.tobytes()
    source = DicomSeries(save(dataset, tmp_path / "a"))
    picture = source.picture(source.slices[0], None)
    assert picture is not None
    np.testing.assert_allclose(picture, pixels @ [0.299, 0.587, 0.114], atol=0.51)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Rows": 65535, "Columns": 65535}, "more than the limit"),
        ({"Rows": 4000, "Columns": 4000}, "cannot be read as DICOM"),
        ({"PixelData": None}, "cannot be read as DICOM"),
        ({"SamplesPerPixel": None}, "cannot be read as DICOM"),
        ({"PhotometricInterpretation": None}, "cannot be read as DICOM"),
        ({"NumberOfFrames": 2**31 - 1}, "asks for 2147483647 slices"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, elements: dict[str, Any], message: str) -> None:
    path = save(ct(0, **elements), tmp_path / "a.dcm")
    with pytest.raises(InputError, match=message) as caught:
        first_values(path)
    assert str(caught.value).startswith(str(path))


def first_values(path: Path) -> Any:
    source = DicomSeries(path)
    return source.values(source.slices[0])


def test_bad_files_are_passed_over_only_when_asked(tmp_path: Path) -> None:
    save(ct(0), tmp_path / "a.dcm")
    (tmp_path / "b.dcm").write_text("no")
    with pytest.raises(InputError, match=r"b\.dcm: cannot be read as DICOM"):
        DicomSeries(tmp_path)
    source = DicomSeries(tmp_path, skip_bad=True)
    assert len(source.slices) == 1
    assert "b.dcm" in source.skipped[0].reason
    assert is_dicom(tmp_path)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), syntax=st.sampled_from([None, RLELossless, JPEG2000Lossless]))
def test_broken_bytes_give_a_slice_or_an_input_error(
    tmp_path: Path, data: st.DataObject, syntax: Any
) -> None:
    dataset = ct(0, **WINDOW)
    if syntax is not None:
        dataset.compress(syntax)
    path = save(dataset, tmp_path / "a.dcm")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, 4095)) % len(content)] = data.draw(st.integers(0, 255))
    kept = data.draw(st.one_of(st.just(1000), st.integers(0, 1000)))
    path.write_bytes(content[: kept * len(content) // 1000])
    try:
        source = DicomSeries(path)
        for item in source.slices[:2]:
            source.picture(item, None)
        message = str(path)
    except InputError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message


def coded_by_gdcm(path: Path, coding: str) -> bytes:
    """Write a slice in a coding that pydicom itself has no encoder for; return the bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import gdcm  # type: ignore[import-untyped]

    save(ct(0, **WINDOW), path)
    reader, change, writer = (
        gdcm.ImageReader(),
        gdcm.ImageChangeTransferSyntax(),
        gdcm.ImageWriter(),
    )
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, coding)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return path.read_bytes()


@pytest.mark.parametrize("coding", ["JPEGLosslessProcess14_1", "JPEGLSLossless"])
def test_broken_codings_never_end_the_interpreter(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "a.dcm"
    whole = coded_by_gdcm(path, coding)
    np.testing.assert_array_equal(first_values(path), stored(0) - 1024.0)
    # Some of these crash the decoder, which is why it works apart.
    rng = np.random.default_rng(1)
    start = whole.find(b"\xff\xd8")
    for trial in range(60):
        content = bytearray(whole)
        for place in rng.integers(start, min(len(whole), start + 200), 3):
            content[place] = rng.integers(256)
        path.with_name(f"{trial}.dcm").write_bytes(content)
        message = ""
        try:
            assert first_values(path.with_name(f"{trial}.dcm")).shape == (ROWS, COLUMNS)
        except InputError as error:
            message = str(error)
        assert message.startswith(str(tmp_path)) or not message
    np.testing.assert_array_equal(first_values(path), stored(0) - 1024.0)


def test_a_decoder_that_is_gone_is_one_error_and_started_again(tmp_path: Path) -> None:
    dataset = ct(0)
    dataset.compress(JPEG2000Lossless)
    path = save(dataset, tmp_path / "a")
    first_values(path)
    dicom_process._running[0].kill()
    with pytest.raises(InputError, match=r"a: .*its compressed pixels crash the decoder"):
        first_values(path)
    np.testing.assert_array_equal(first_values(path), stored(0) - 1024.0)
