"""Small files that ask for much: refused in one line, at once, in every form, and honest ones not.

Each is made here as an attacker would write it: the header says more than the file holds, or the
file unpacks to more than anyone meant.
"""

import gzip
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from fewshot.errors import InputError
from fewshot.slices.images import read_image, read_values
from fewshot.slices.label_csv import read_label_csv
from fewshot.slices.limits import (
    MAX_EXPANDED_VARIABLE,
    BoundedStream,
    allowed_bytes,
    check_expanded,
    max_expanded,
)
from fewshot.slices.sources.recognise import open_source

MB = 1 << 20


def array_header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def npz(path: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("images.npy", content)


def many_slices_npz(path: Path) -> None:
    npz(path, array_header((2_000_000, 1, 2)) + bytes(4_000_000))


def many_slices_npy(path: Path) -> None:
    with path.open("wb") as file:
        header = array_header((200_000_000, 1, 2))
        file.write(header)
        file.truncate(len(header) + 400_000_000)


def long_header_npz(path: Path) -> None:
    npz(path, b"\x93NUMPY\x02\x00" + struct.pack("<I", 70 * MB) + b" " * 70 * MB)


def long_header_npy(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", (1 << 32) - 1))
        file.truncate(1 << 32)


def bzip2_npz(path: Path) -> None:
    npz(path, array_header((4, 1024, 1024)) + bytes(4 * MB), zipfile.ZIP_BZIP2)


def wide_slice_npz(path: Path) -> None:
    npz(path, array_header((3000, 3000), "<f8") + bytes(3000 * 3000 * 8))


def nifti2(shape: tuple[int, ...], offset: int = 544, extension: bytes = bytes(4)) -> bytes:
    import nibabel

    header = nibabel.nifti2.Nifti2Header()
    header["magic"] = b"n+2\x00\r\n\x1a\n"
    header["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    header["datatype"], header["bitpix"], header["vox_offset"] = 2, 8, offset
    header["srow_x"], header["srow_y"], header["srow_z"] = np.eye(4)[:3]
    header["sform_code"] = 1
    return bytes(header.binaryblock) + extension


def many_slices_nifti(path: Path) -> None:
    path.write_bytes(gzip.compress(nifti2((1, 1, 1_000_000)) + bytes(1_000_000), 9))


def nifti_extension(size: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        told = b"\x01\0\0\0" + struct.pack("<ii", size, 6)
        head = nifti2((4, 4, 4), 544 + 20 * MB, told)
        path.write_bytes(gzip.compress(head + bytes(20 * MB), 9))

    return write


def element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, kind, len(value)) + value


def deflated_dicom(preamble: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        syntax = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1.99")
        pack = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = pack.compress(element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.2"))
        packed += pack.compress(struct.pack("<HH2sHI", 9, 0x1010, b"OB", 0, 20 * MB))
        packed += pack.compress(bytes(20 * MB)) + pack.flush()
        length = element(2, 0, b"UL", struct.pack("<I", len(syntax)))
        path.write_bytes(preamble + length + syntax + packed)

    return write


def many_frames_dicom(path: Path) -> None:
    import pydicom

    one = pydicom.Dataset()
    one.Rows, one.Columns, one.NumberOfFrames = 8, 8, 100_000
    one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    pydicom.dcmwrite(path, one, implicit_vr=True, little_endian=True)


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def colour_png(path: Path) -> None:
    side = 4200
    pack = zlib.compressobj(9)
    rows = b"".join(pack.compress(bytes(1 + 4 * side)) for _ in range(side)) + pack.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def many_frames_tiff(path: Path) -> None:
    """A chain of many directories; the second is enough to refuse."""
    frames, size = 20_000, 2 + 12 * 9 + 4
    tags = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1)]
    tags += [(273, 8), (277, 1), (278, 8), (279, 64)]
    body = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags)
    chain = (
        struct.pack("<H", 9) + body + struct.pack("<I", 8 + (number + 1) * size)
        for number in range(frames)
    )
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + b"".join(chain))


def table(*rows: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(gzip.compress(b",0.png\nPixel 0,1\n" + b"".join(rows), 9))


def opened(path: Path) -> object:
    source = open_source(path)
    return [source.values(item) for item in source.slices[:2]]


BOMBS: list[tuple[str, Callable[[Path], object], Callable[[Path], object], str]] = [
    ("a.npz", many_slices_npz, opened, "asks for 2000000 slices"),
    ("a.npy", many_slices_npy, opened, "asks for 200000000 slices"),
    ("b.npz", long_header_npz, opened, "cannot be read as a NumPy array"),
    ("b.npy", long_header_npy, opened, "cannot be read as a NumPy array"),
    ("c.npz", bzip2_npz, opened, "packed as NumPy never does"),
    ("d.npz", wide_slice_npz, opened, "asks for 3000 x 3000 pixels of 8 bytes"),
    ("a.nii.gz", many_slices_nifti, opened, "asks for 1000000 slices"),
    ("b.nii.gz", nifti_extension(20 * MB), opened, "asks for its packed content"),
    ("c.nii.gz", nifti_extension(0), opened, "asks for its packed content"),
    ("a.dcm", deflated_dicom(bytes(128) + b"DICM"), opened, "is deflated as a whole"),
    ("b.dcm", deflated_dicom(b""), opened, "is deflated as a whole"),
    ("c.dcm", many_frames_dicom, opened, "asks for 100000 slices"),
    ("a.png", colour_png, read_image, "asks for 4200 x 4200 pixels of 4 bytes"),
    ("a.tif", many_frames_tiff, read_values, "holds several frames"),
    ("a.csv.gz", table(b"\n" * 70 * MB), read_label_csv, "asks for its packed content"),
    ("b.csv.gz", table(bytes(70 * MB)), read_label_csv, "a line is longer"),
]


@pytest.mark.parametrize(
    ("name", "write", "read", "words"), BOMBS, ids=[f"{name} {words}" for name, *_, words in BOMBS]
)
def test_a_bomb_is_refused_at_once(
    tmp_path: Path,
    name: str,
    write: Callable[[Path], object],
    read: Callable[[Path], object],
    words: str,
) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(InputError, match=words) as told:
        read(path)
    assert str(path) in str(told.value)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("bomb", [0, 6, 7, 11, 14], ids=lambda bomb: BOMBS[bomb][0])
def test_a_bomb_takes_little_memory(tmp_path: Path, bomb: int) -> None:
    name, write, read, _ = BOMBS[bomb]
    path = tmp_path / name
    write(path)
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 100 * MB
    finally:
        tracemalloc.stop()


def honest_npz(path: Path) -> None:
    np.savez_compressed(path, images=np.zeros((500, 128, 128), np.uint8))


def honest_nifti(path: Path) -> None:
    path.write_bytes(gzip.compress(nifti2((256, 256, 200)) + bytes(256 * 256 * 200)))


@pytest.mark.parametrize(
    ("name", "write", "count"), [("a.npz", honest_npz, 500), ("a.nii.gz", honest_nifti, 200)]
)
def test_empty_slices_are_no_bomb(
    tmp_path: Path, name: str, write: Callable[[Path], object], count: int
) -> None:
    """Labels are nearly empty, and pack as well as a bomb does."""
    write(tmp_path / name)
    source = open_source(tmp_path / name)
    assert len(source.slices) == count
    assert not source.values(source.slices[-1]).any()


def test_the_budget_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest_npz(tmp_path / "a.npz")
    monkeypatch.setenv(MAX_EXPANDED_VARIABLE, "1000000")
    with pytest.raises(InputError, match=r"asks for 500 slices.*set FEWSHOT_MAX_EXPANDED higher"):
        open_source(tmp_path / "a.npz")
    monkeypatch.setenv(MAX_EXPANDED_VARIABLE, "10000000")
    assert len(open_source(tmp_path / "a.npz").slices) == 500
    monkeypatch.setenv(MAX_EXPANDED_VARIABLE, "much")
    with pytest.raises(InputError, match="FEWSHOT_MAX_EXPANDED: is 'much'; give a number of bytes"):
        max_expanded()


@pytest.mark.parametrize(
    ("expanded", "read", "fits"),
    [
        (1 << 26, 0, True),
        ((1 << 26) + 1, 0, False),
        (400 * MB, MB, True),
        (400 * MB + 1, MB, False),
    ],
)
def test_a_file_expands_in_proportion(expanded: int, read: int, fits: bool) -> None:
    assert (allowed_bytes(read) >= expanded) == fits
    if fits:
        check_expanded(expanded, read, "a", "b")
    else:
        with pytest.raises(InputError, match=f"a: asks for b, {expanded} bytes or more"):
            check_expanded(expanded, read, "a", "b")


def test_a_stream_is_read_as_far_as_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_EXPANDED_VARIABLE, "100")
    content = bytes(range(100))
    assert BoundedStream(io.BytesIO(content), lambda: 0, "a").read() == content
    stream = BoundedStream(io.BytesIO(content), lambda: 0, "a", 0.5)
    assert (stream.read(30), stream.tell()) == (content[:30], 30)
    with pytest.raises(InputError, match="a: asks for its packed content"):
        stream.read()
