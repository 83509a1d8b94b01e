"""The label CSV against pandas, byte for byte, and against files that are broken."""

import gzip
import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices import label_rows
from fewshot.slices.label_csv import LabelTable, read_label_csv, write_label_csv
from fewshot.slices.label_rows import LabelForm

MAPS = [
    np.array([[0, 1, 2], [0, 0, 255]], dtype=np.uint8),
    np.array([[7, 0, 0], [0, 10, 100]], dtype=np.uint8),
]
NAMED = b""",0.png,1.png
Pixel 0,0,7
Pixel 1,1,0
Pixel 2,2,0
Pixel 3,0,0
Pixel 4,0,10
Pixel 5,255,100
"""
PLAIN = b",0,1\n0,0,7\n1,1,0\n2,2,0\n3,0,0\n4,0,10\n5,255,100\n"

on_files = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
forms = st.sampled_from(["named", "plain"])


@st.composite
def label_maps(draw: st.DrawFn) -> list[NDArray[np.uint8]]:
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    count = draw(st.integers(1, 5))
    ids = draw(st.binary(min_size=count * height * width, max_size=count * height * width))
    return list(np.frombuffer(ids, dtype=np.uint8).reshape(count, height, width))


def names_of(maps: list[NDArray[np.uint8]]) -> list[str]:
    return [f"{number}.png" for number in range(len(maps))]


def by_pandas(maps: list[NDArray[Any]], form: LabelForm) -> bytes:
    """Return the file as the challenge's participants write it."""
    prefix, suffix = ("Pixel ", ".png") if form == "named" else ("", "")
    frame = pd.DataFrame({f"{number}{suffix}": ids.ravel() for number, ids in enumerate(maps)})
    frame.index = pd.Index([f"{prefix}{pixel}" for pixel in range(len(frame))])
    return frame.to_csv(lineterminator="\n").encode()


@pytest.mark.parametrize(("form", "content"), [("named", NAMED), ("plain", PLAIN)])
def test_golden_files(tmp_path: Path, form: LabelForm, content: bytes) -> None:
    path = tmp_path / "Y.csv"
    write_label_csv(path, ["0.png", "1.png"], MAPS, form)
    assert path.read_bytes() == content == by_pandas(MAPS, form)
    table = read_label_csv(path)
    assert table.names == (("0.png", "1.png") if form == "named" else ("0", "1"))
    for name, label_map in zip(["0.png", "1.png"], MAPS, strict=True):
        np.testing.assert_array_equal(table.label_map(name, 2, 3), label_map)


@on_files
@given(maps=label_maps(), form=forms)
def test_the_text_is_pandas_own(
    tmp_path: Path, maps: list[NDArray[np.uint8]], form: LabelForm
) -> None:
    write_label_csv(tmp_path / "Y.csv", names_of(maps), maps, form)
    assert (tmp_path / "Y.csv").read_bytes() == by_pandas(maps, form)


@pytest.mark.parametrize("form", ["named", "plain"])
def test_the_text_is_pandas_own_at_real_size(tmp_path: Path, form: LabelForm) -> None:
    # Several blocks of rows: 20 columns of 512 x 512 are more cells than one block takes.
    ids = np.random.default_rng(0).integers(0, 256, (20, 512, 512))
    maps = [label_map.astype(dtype) for label_map, dtype in zip(ids, DTYPES * 4, strict=True)]
    write_label_csv(tmp_path / "Y.csv.gz", names_of(maps), maps, form)
    content = gzip.decompress((tmp_path / "Y.csv.gz").read_bytes())
    assert content == by_pandas(maps, form)
    table = read_label_csv(tmp_path / "Y.csv.gz")
    np.testing.assert_array_equal(table.pixels, ids.reshape(20, -1))


DTYPES = [np.uint8, np.uint16, np.int32, np.int64, np.int16]


@on_files
@given(maps=label_maps(), form=forms, suffix=st.sampled_from([".csv", ".csv.gz"]), data=st.data())
def test_round_trip_in_blocks_of_any_size(
    tmp_path: Path,
    maps: list[NDArray[np.uint8]],
    form: LabelForm,
    suffix: str,
    data: st.DataObject,
) -> None:
    path = tmp_path / f"Y{suffix}"
    write_label_csv(path, names_of(maps), maps, form)
    with pytest.MonkeyPatch.context() as patch:
        # A line must fit into a block; the header is the longest.
        patch.setattr(label_rows, "BLOCK_BYTES", data.draw(st.integers(40, 200)))
        table = read_label_csv(path)
    height, width = maps[0].shape
    assert table.pixels.dtype == np.uint8
    assert table.pixels.flags.c_contiguous
    for name, label_map in zip(names_of(maps), maps, strict=True):
        np.testing.assert_array_equal(table.label_map(name, height, width), label_map)
        assert table.is_labelled(name) == label_map.any()


def test_orientation(tmp_path: Path) -> None:
    """An upper-left bar, wider than high, keeps its place; the known mistakes would move it."""
    bar, corner = np.zeros((512, 512), dtype=np.uint8), np.zeros((512, 512), dtype=np.uint8)
    bar[10:30, 100:400] = 1
    corner[400:, :50] = 2
    path = tmp_path / "Y.csv"
    write_label_csv(path, ["0.png", "1.png"], [bar, corner])
    np.testing.assert_array_equal(read_label_csv(path).label_map("0.png", 512, 512), bar)

    rows = pd.read_csv(path, index_col=0)
    assert rows.shape == (512 * 512, 2)
    np.testing.assert_array_equal(rows["0.png"].to_numpy().reshape(512, 512), bar)
    column_major = rows["0.png"].to_numpy().reshape(512, 512, order="F")
    assert (column_major != bar).any()
    scrambled = rows.to_numpy().reshape(2, 512, 512)
    assert (scrambled[0] != bar).any()


def test_gzip_by_suffix_and_by_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
    for path in [first, second]:
        write_label_csv(path, ["0.png", "1.png"], MAPS)
    assert gzip.decompress(first.read_bytes()) == NAMED
    assert first.read_bytes() == second.read_bytes()
    renamed = first.rename(tmp_path / "c.csv")
    np.testing.assert_array_equal(read_label_csv(renamed).pixels, [m.ravel() for m in MAPS])


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        NAMED[:-1],
        NAMED.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + NAMED,
        # Every text cell in quotes, as R writes them, and numbers too.
        NAMED.replace(b",0.png,1.png", b'"","0.png","1.png"').replace(b"Pixel 3", b'"Pixel 3"'),
        NAMED.replace(b"255", b'"255"'),
        # An index written under a name of its own.
        b"pixel" + NAMED,
        b"Unnamed: 0" + PLAIN,
        # Spaces and zeros around numbers.
        NAMED.replace(b",255,100", b", 255,0100 "),
    ],
)
def test_dialects_that_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "Y.csv").write_bytes(content)
    table = read_label_csv(tmp_path / "Y.csv")
    np.testing.assert_array_equal(table.pixels, [label_map.ravel() for label_map in MAPS])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "no header"),
        (b"\n" + NAMED, "no header"),
        (b",0.png,1.png\n", "no pixel row"),
        (b"0.png\nPixel 0\n", "line 1 has one cell and no image"),
        (NAMED.replace(b",", b";"), "line 1 has one cell and no image"),
        (b"0.png,1.png\n0,7\n1,0\n", "line 1, column 1: image '0.png' where .* index belongs"),
        (b"0,1\n0,7\n1,0\n", "line 1, column 1: image '0' where .* index belongs"),
        (b",0.png,0.png\nPixel 0,1,2\n", "line 1, column 3: '0.png' is the same image as '0.png'"),
        (b",0.png,0\nPixel 0,1,2\n", "line 1, column 3: '0' is the same image as '0.png'"),
        (b",0.png,\nPixel 0,1,2\n", "line 1, column 3: no image name"),
        (b",0.png\r\r\nPixel 0,1\n", "line 1 is not a CSV header"),
        (b",\xff\nPixel 0,1\n", "line 1 is not a CSV header"),
        (b',"0.png\nPixel 0,1\n', "line 1 is not a CSV header"),
        (NAMED.replace(b"255", b"x"), "line 7, column '0.png': 'x' is not an integer"),
        (NAMED.replace(b"255", b"2.0"), "line 7, column '0.png': '2.0' is not an integer"),
        (NAMED.replace(b"255", b""), "line 7, column '0.png': '' is not an integer"),
        (NAMED.replace(b"255", b"-1"), "line 7, column '0.png': '-1' is not an integer"),
        (NAMED.replace(b"255", "²".encode()), "line 7, column '0.png': '²' is not an integer"),
        (NAMED.replace(b"255", b"256"), "line 7, column '0.png': id '256' is above 255"),
        (NAMED.replace(b"255", b"9" * 5000), "line 7, column '0.png': id '9{24}...' is above 255"),
        (NAMED.replace(b"255", b"255\r"), "line 7 is not CSV"),
        (NAMED.replace(b"255", b'2"5'), "line 7, column '0.png': '2\"5' is not an integer"),
        # The first mistake is the one that is told.
        (NAMED.replace(b",10\n", b",y\n").replace(b"255", b"x"), "line 6, column '1.png': 'y'"),
        (NAMED.replace(b"255,100", b"x,y"), "line 7, column '0.png': 'x'"),
        (NAMED.replace(b"255,", b""), "line 7 has 2 cells where the header has 3"),
        (NAMED.replace(b"255", b"25,5"), "line 7 has 4 cells where the header has 3"),
        (NAMED[:-6], "line 7 has 2 cells where the header has 3; the file may be cut short"),
        (NAMED.replace(b"\nPixel 3", b"\n\nPixel 3"), "line 5 is blank"),
        (NAMED + b"\n", "line 8 is blank"),
        (NAMED.replace(b"255", b'"255'), "line 7 is not CSV"),
        (
            NAMED.replace(b"Pixel 3", b"Pixel 4"),
            "line 5, column 1: index 'Pixel 4' where 'Pixel 3'",
        ),
        (NAMED.replace(b"Pixel 3", b"3"), "line 5, column 1: index '3' where 'Pixel 3' belongs"),
        (NAMED.replace(b"Pixel 3", b"pixel 3"), "line 5, column 1: index 'pixel 3' where"),
        (NAMED.replace(b"Pixel", b"Row"), "line 2, column 1: index 'Row 0' where 'Pixel 0'"),
        (NAMED.replace(b"Pixel 0,0,7\n", b""), "line 2, column 1: index 'Pixel 1' where 'Pixel 0'"),
        (PLAIN.replace(b"\n3,", b"\n2,"), "line 5, column 1: index '2' where '3' belongs"),
        (NAMED.replace(b"Pixel 3", b"Pixel \xff"), "line 5, column 1: index"),
        # Rows that begin as compressed data do.
        (NAMED.replace(b"Pixel 0", b"\x1f\x8b"), "line 2, column 1: index"),
        (NAMED.replace(b"Pixel 0", b"x\x9c"), "line 2, column 1: index"),
        (NAMED.replace(b"Pixel 0", b"(\xb5/\xfd"), "line 2, column 1: index"),
        # Gzip: not one after all, cut short, and with a wrong checksum.
        (b"\x1f\x8bnot gzip at all", "the gzip data are broken or cut short"),
        (gzip.compress(NAMED)[:-4], "the gzip data are broken or cut short"),
        (gzip.compress(NAMED)[:-8] + b"\0" * 8, "the gzip data are broken or cut short"),
        (gzip.compress(b""), "no header"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "Y.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_label_csv(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_lines_are_counted_across_blocks(tmp_path: Path) -> None:
    path = tmp_path / "Y.csv"
    write_label_csv(path, ["0.png"], [np.ones((64, 64), dtype=np.uint8)])
    path.write_bytes(path.read_bytes().replace(b"Pixel 4000,1", b"Pixel 4000,?"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_rows, "BLOCK_BYTES", 1000)
        with pytest.raises(InputError, match=r"line 4002, column '0.png': '\?'"):
            read_label_csv(path)


def test_a_folder_and_an_endless_line_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_label_csv(tmp_path)
    path = tmp_path / "Y.csv.gz"
    path.write_bytes(gzip.compress(bytes(3 * label_rows.BLOCK_BYTES)))
    with pytest.raises(InputError, match="a line is longer than 512 KiB"):
        read_label_csv(path)


@on_files
@given(maps=label_maps(), form=forms, data=st.data())
def test_a_truncated_gzip_is_never_read(
    tmp_path: Path, maps: list[NDArray[np.uint8]], form: LabelForm, data: st.DataObject
) -> None:
    path = tmp_path / "Y.csv.gz"
    write_label_csv(path, names_of(maps), maps, form)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError, match=r"Y\.csv\.gz: "):
        read_label_csv(path)


@settings(on_files, max_examples=300)
@given(content=st.sampled_from([NAMED, PLAIN, gzip.compress(NAMED, mtime=0)]), data=st.data())
def test_garbled_bytes_give_a_table_or_an_input_error(
    tmp_path: Path, content: bytes, data: st.DataObject
) -> None:
    garbled = bytearray(content)
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(garbled)))
        stop = data.draw(st.integers(start, min(start + 3, len(garbled))))
        garbled[start:stop] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b",", b"\n"])
        )
    path = tmp_path / "Y.csv"
    path.write_bytes(garbled[: data.draw(st.integers(0, len(garbled)))])
    table, message = None, ""
    try:
        table = read_label_csv(path)
    except InputError as error:
        message = str(error)
    if table is None:
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
    else:
        # What is accepted is what pandas reads from the same bytes.
        text = gzip.decompress(path.read_bytes()) if content[:1] == b"\x1f" else path.read_bytes()
        frame = pd.read_csv(io.BytesIO(text), index_col=0, skip_blank_lines=False)
        np.testing.assert_array_equal(table.pixels, frame.to_numpy().T)


def test_the_file_is_read_in_bounded_memory(headneck: Path) -> None:
    tracemalloc.start()
    try:
        table = read_label_csv(headneck / "Y_train.csv.gz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A few copies of a block and masks of it at most; the text has 48 MB.
    assert peak < table.pixels.nbytes + 16 * label_rows.BLOCK_BYTES


def test_the_real_labels(headneck: Path) -> None:
    table = read_label_csv(headneck / "Y_train.csv.gz")
    assert table.names == tuple(f"{number}.png" for number in range(934))
    assert table.pixels.shape == (934, 160 * 160)
    assert [table.is_labelled(name) for name in table.names] == [True] * 92 + [False] * 842
    with gzip.open(headneck / "Y_train.csv.gz", "rt") as file:
        frame = pd.read_csv(file, index_col=0, usecols=[0, *range(1, 93)], dtype={0: str})
    np.testing.assert_array_equal(table.pixels[:92], frame.to_numpy().T)


def test_the_real_labels_are_written_as_they_were(headneck: Path, tmp_path: Path) -> None:
    table = read_label_csv(headneck / "Y_test.csv.gz")
    maps = [table.label_map(name, 160, 160) for name in table.names]
    write_label_csv(tmp_path / "Y.csv", table.names, maps)
    with gzip.open(headneck / "Y_test.csv.gz") as file:
        assert (tmp_path / "Y.csv").read_bytes() == file.read()


TABLE = LabelTable(("0.png", "1"), np.array([[0, 0], [1, 2]], dtype=np.uint8), "Y.csv")


def test_images_are_found_with_and_without_their_suffix() -> None:
    assert TABLE.label_map("1.png", 2, 1).tolist() == [[1], [2]]
    assert TABLE.label_map("1", 1, 2).tolist() == [[1, 2]]
    assert not TABLE.is_labelled("0")
    assert TABLE.is_labelled("1.png")


def test_a_label_map_is_its_callers_own() -> None:
    TABLE.label_map("1", 1, 2)[:] = 9
    assert TABLE.label_map("1", 1, 2).tolist() == [[1, 2]]


def test_images_that_a_table_cannot_give() -> None:
    with pytest.raises(InputError, match=r"Y.csv: no column for image '2.png'"):
        TABLE.label_map("2.png", 1, 2)
    with pytest.raises(InputError, match=r"Y.csv: no column for image '2.png'"):
        TABLE.is_labelled("2.png")
    with pytest.raises(InputError, match=r"Y.csv: image '1' is 2 x 2 but its column holds 2 pix"):
        TABLE.label_map("1", 2, 2)
    with pytest.raises(InputError, match="1 names for pixels of shape"):
        LabelTable(("0.png",), TABLE.pixels)


ONE = np.ones((2, 2), dtype=np.uint8)


@pytest.mark.parametrize(
    ("names", "maps", "message"),
    [
        ([], [], "no image to write"),
        (["0.png"], [ONE, ONE], "1 names for 2 label maps"),
        (["0.png", "0"], [ONE, ONE], "image '0' is given twice"),
        (["a,b.png"], [ONE], "image 'a,b.png' cannot head a CSV column"),
        (['"a".png'], [ONE], "cannot head a CSV column"),
        (["a\nb.png"], [ONE], "cannot head a CSV column"),
        ([""], [ONE], "image '' cannot head a CSV column"),
        (
            ["0.png", "1.png"],
            [ONE, ONE[:1]],
            r"'1.png' has shape \(1, 2\) and '0.png' has \(2, 2\)",
        ),
        # Turned by 90 degrees: as many pixels, yet not one shape.
        (["0.png", "1.png"], [ONE[:1], ONE[:, :1]], "'1.png' has shape"),
        (["0.png"], [ONE.ravel()], "uint8 values of shape .* are no label map"),
        (["0.png"], [ONE[:0]], "are no label map"),
        (["0.png"], [ONE.astype(np.float32)], "image '0.png': float32 values"),
        (["0.png"], [ONE.astype(bool)], "image '0.png': bool values"),
        (["0.png"], [ONE.astype(np.int16) * 256], "image '0.png' holds id 256"),
        (["0.png"], [-ONE.astype(np.int16)], "image '0.png' holds id -1"),
        (["0.png"], [ONE.astype(np.uint64) << np.uint64(63)], "holds id 9223372036854775808"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, names: list[str], maps: list[NDArray[Any]], message: str
) -> None:
    path = tmp_path / "Y.csv"
    path.write_text("the file before")
    with pytest.raises(InputError, match=message) as caught:
        write_label_csv(path, names, maps)
    assert str(caught.value).startswith(f"{path}: ")
    assert path.read_text() == "the file before"


@pytest.mark.parametrize(
    ("names", "form", "header"),
    [
        (["0.png", "1.png"], "named", b",0.png,1.png"),
        (["0", "1"], "named", b",0.png,1.png"),
        (["0.png", "1.png"], "plain", b",0,1"),
        (["a 1.tif", "b.JPG"], "named", b",a 1.tif,b.JPG"),
        (["a 1.tif", "b.JPG"], "plain", b",a 1,b"),
    ],
)
def test_headers(tmp_path: Path, names: list[str], form: LabelForm, header: bytes) -> None:
    path = tmp_path / "Y.csv"
    write_label_csv(path, names, [ONE, ONE], form)
    assert io.BytesIO(path.read_bytes()).readline() == header + b"\n"


@pytest.mark.parametrize(
    "header", ["image,patient", "patientId,x,y,width,height,Target", "file_name,group"]
)
def test_tables_of_other_kinds_are_told_apart(tmp_path: Path, header: str) -> None:
    (tmp_path / "y.csv").write_text(f"{header}\n0.png,p1\n")
    with pytest.raises(
        InputError, match=r"y\.csv: line 1 heads a table of '\w+' and '\w+', perhaps"
    ):
        read_label_csv(tmp_path / "y.csv")
