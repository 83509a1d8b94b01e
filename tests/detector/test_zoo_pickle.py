"""Pickles of arrays: read as NumPy wrote them, by any protocol, and nothing in them is called."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fewshot.detector.zoo_pickle import read_arrays
from fewshot.errors import InputError

NUMBERS = st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i8", ">i4", "|u1", "|i1", "|b1"])
ARRAYS = NUMBERS.flatmap(
    lambda kind: npst.arrays(kind, npst.array_shapes(min_dims=0, max_dims=4, min_side=0))
)


def read(tmp: Path, content: bytes) -> dict[Any, Any]:
    path = tmp / "a.pkl"
    path.write_bytes(content)
    return read_arrays(path)


@settings(max_examples=40)
@given(
    arrays=st.dictionaries(st.text(max_size=10), ARRAYS, max_size=4),
    protocol=st.integers(0, pickle.HIGHEST_PROTOCOL),
    columns=st.booleans(),
)
def test_arrays_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory,
    arrays: dict[str, np.ndarray[Any, Any]],
    protocol: int,
    columns: bool,
) -> None:
    if columns:
        arrays = {name: np.asfortranarray(one) for name, one in arrays.items()}
    content = {"blobs": arrays, "iteration": 7, "rate": 0.5, "more": [None, True, ("x",), -(2**70)]}
    found = read(tmp_path_factory.getbasetemp(), pickle.dumps(content, protocol))
    assert {**found, "blobs": 0} == {**content, "blobs": 0}
    assert list(found["blobs"]) == list(arrays)
    for name, expected in arrays.items():
        one = found["blobs"][name]
        assert one.dtype == expected.dtype.newbyteorder("=")
        assert one.flags.writeable
        np.testing.assert_array_equal(one, expected)


def test_scalars_shared_arrays_and_ordered_dictionaries(tmp_path: Path) -> None:
    one = np.arange(6.0).reshape(2, 3)
    content = OrderedDict(a=one, b=one, scale=np.float32(1.5))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        found = read(tmp_path, pickle.dumps(content, protocol))
        assert found["scale"] == np.float32(1.5)
        np.testing.assert_array_equal(found["a"], one)
        assert found["a"] is found["b"]


def test_arrays_as_python_2_wrote_them(tmp_path: Path) -> None:
    """Detectron1's files: bytes are text, and the order of bytes follows in a state."""
    text = (
        b"(dp0\nS'blobs'\np1\n(dp2\nS'conv1_w'\np3\ncnumpy.core.multiarray\n_reconstruct\np4\n"
        b"(cnumpy\nndarray\np5\n(I0\ntp6\nS'b'\np7\ntp8\nRp9\n(I1\n(I2\ntp10\ncnumpy\ndtype\np11\n"
        b"(S'f4'\np12\nI0\nI1\ntp13\nRp14\n(I3\nS'<'\np15\nNNNI-1\nI-1\nI0\ntp16\nbI00\n"
        b"S'\\x00\\x00\\x80?\\x00\\x00\\x00@'\np17\ntp18\nbsS'lr'\np19\nF0.01\nss."
    )
    found = read(tmp_path, text)
    assert found["blobs"]["conv1_w"].tolist() == [1, 2]


class Called:
    """Pickled as a call of `len`, which harms nobody and is none of the names of arrays."""

    def __reduce__(self) -> Any:
        return len, ("abc",)


def global_(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


EMPTY = global_("numpy.core.multiarray", "_reconstruct") + global_("numpy", "ndarray")
EMPTY += b"K\0\x85C\x01b\x87R"
KIND = global_("numpy", "dtype") + b"X\x02\0\0\0%b\x89\x88\x87R"
FLOATS, OBJECTS = KIND % b"f4", KIND.replace(b"\x02\0", b"\x01\0") % b"O"


def array(kind: bytes, shape: bytes, content: bytes) -> bytes:
    data = b"C" + bytes([len(content)]) + content
    return EMPTY + b"(K\x01" + shape + kind + b"\x89" + data + b"tb"


def in_a_dictionary(value: bytes) -> bytes:
    return b"\x80\x03}X\x01\0\0\0w" + value + b"s."


def forged() -> bytes:
    """Objects whose flags are overwritten, so that bytes of the file are taken for addresses."""
    state = b"(K\x03X\x01\0\0\0|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    kind = OBJECTS + state
    return in_a_dictionary(array(kind, b"K\x01\x85", b"A" * 8))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (forged(), "holds 'O' values, not numbers"),
        (pickle.dumps({"w": Called()}), "wants to run 'builtins.len'"),
        (pickle.dumps({"w": np.array([None])}), "holds 'O8' values"),
        (pickle.dumps({"w": np.array(["x"])}), "holds 'U1' values"),
        (pickle.dumps({"w": np.zeros(2, "M8[s]")}), "holds 'M8' values"),
        (pickle.dumps({"w": np.zeros(2, [("a", "f4")])}), "holds 'V4' values"),
        (pickle.dumps({"w": np.zeros(2, np.longdouble)}), "holds 'f16' values"),
        (pickle.dumps({"w": np.zeros(2, complex)}), "holds 'c16' values"),
        (pickle.dumps({(1, 2): 3}), "a key is of type tuple"),
        (pickle.dumps({1: {2, 3}}), "its step EMPTY_SET is one that no array needs"),
        (pickle.dumps([1]), "contains no model weights"),
        (pickle.dumps({"w": np.zeros(9)})[:-20], "not a readable weights file"),
        (b"weights", "not a readable weights file"),
        (b"", "not a readable weights file"),
        (b"K\x01R.", "not a readable weights file"),
        (b"}K\x01K\x02K\x03u.", "not a readable weights file"),
        (in_a_dictionary(b"h\x05"), "not a readable weights file"),
        # an array of another length, without content, twice as large as the file, of itself
        (in_a_dictionary(array(FLOATS, b"K\x03\x85", b"1234")), r"of shape \(3,\) holds 4 bytes"),
        (in_a_dictionary(array(FLOATS, b"J\xff\xff\xff\xff\x85", b"1234")), "has no shape"),
        (in_a_dictionary(EMPTY), "has no content"),
        (in_a_dictionary(array(FLOATS, b"K\x01\x85", b"1234") + b"K\x01b"), "sets the state of"),
        (in_a_dictionary(FLOATS), "names in the place of values"),
        (in_a_dictionary(global_("numpy", "dtype")), "names in the place of values"),
        (b"]q\0h\0a.", "nested as weights are not"),
        (b"}q\0X\x01\0\0\0wh\0s.", "nested as weights are not"),
        (b"}q\0X\x01\0\0\0w(h\0h\0h\0h\0ls.", "nested as weights are not"),
    ],
)
def test_what_is_no_dictionary_of_arrays_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(InputError, match=words) as told:
        read(tmp_path, content)
    assert len(str(told.value).splitlines()) == 1


def test_arrays_do_not_outgrow_their_file(tmp_path: Path) -> None:
    """One text of bytes that many arrays are made of."""
    data = bytes(4000)
    first = b"B" + len(data).to_bytes(4, "little") + data + b"q\x01"
    one = EMPTY + b"(K\x01M\xe8\x03\x85" + FLOATS + b"\x89"
    names = [b"X\x01\0\0\0" + bytes([65 + number]) for number in range(20)]
    arrays = [one + (first if number == 0 else b"h\x01") + b"tb" for number in range(20)]
    body = b"".join(b"%b%bs" % pair for pair in zip(names, arrays, strict=True))
    with pytest.raises(InputError, match="arrays are larger than the file"):
        read(tmp_path, b"\x80\x03}" + body + b".")


def test_a_pickle_of_endless_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than 1000000 steps"):
        read(tmp_path, b"N" * 1_100_000 + b".")
