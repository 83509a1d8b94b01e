"""The quick parser and writer of label rows agree with the careful parser and with pandas."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.label_digits import format_digits, parse_digits
from fewshot.slices.label_rows import LabelLayout, parse_carefully

prefixes = st.sampled_from([b"Pixel ", b""])
# Numbers that gain a digit within a few rows, and others.
first_pixels = st.one_of(
    st.integers(0, 12), st.integers(95, 101), st.integers(9990, 10001), st.integers(0, 10**9)
)


@st.composite
def blocks(draw: st.DrawFn, largest: int) -> NDArray[np.uint8]:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 12)))
    top = draw(st.sampled_from([1, 9, 18, 99, 100, largest]))
    return draw(arrays(np.uint8, shape, elements=st.integers(0, top)))


@given(ids=blocks(255), prefix=prefixes, first=first_pixels)
def test_text_is_that_of_pandas(ids: NDArray[np.uint8], prefix: bytes, first: int) -> None:
    index = [f"{prefix.decode()}{first + row}" for row in range(ids.shape[1])]
    expected = pd.DataFrame(ids.T, index=index).to_csv(header=False, lineterminator="\n")
    assert format_digits(ids, prefix, first) == expected.encode()


@given(ids=blocks(255), prefix=prefixes, first=first_pixels)
def test_what_is_written_is_parsed(ids: NDArray[np.uint8], prefix: bytes, first: int) -> None:
    parsed = parse_digits(format_digits(ids, prefix, first), len(ids), prefix, first)
    assert parsed is not None
    np.testing.assert_array_equal(parsed, ids)
    assert parsed.flags.c_contiguous


@settings(max_examples=300)
@given(ids=blocks(255), prefix=prefixes, first=st.integers(0, 120), data=st.data())
def test_damaged_text_is_parsed_as_by_the_careful_parser_or_not_at_all(
    ids: NDArray[np.uint8], prefix: bytes, first: int, data: st.DataObject
) -> None:
    text = bytearray(format_digits(ids, prefix, first))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(st.sampled_from([b"", b"0", b"7", b",", b"\n", b" ", b"-", b".", b"\xff"]))
        text[place : place + data.draw(st.integers(0, 2))] = new
        if not text:
            return
    parsed = parse_digits(bytes(text), len(ids), prefix, first)
    if parsed is not None:
        np.testing.assert_array_equal(parsed, careful(bytes(text), len(ids), prefix, first))


@pytest.mark.parametrize(
    "row",
    [
        *(b"0,256", b"0,300", b"0,999", b"0,1000", b"0,0001"),
        *(b"0,", b"0", b"0,1,2", b"1,0", b"00,1", b"0, 1", b"0,-1", b'0,"1"', b"0,1\r", b",1"),
    ],
)
def test_what_is_left_to_others(row: bytes) -> None:
    assert parse_digits(row + b"\n", 1, b"", 0) is None
    assert parse_digits(b"0,12\n", 1, b"", 0) is not None
    assert parse_digits(b"0,12", 1, b"", 0) is None


def careful(block: bytes, images: int, prefix: bytes, first: int) -> NDArray[np.uint8] | Any:
    layout = LabelLayout(
        path=None,  # type: ignore[arg-type]
        first_cell="",
        names=tuple(map(str, range(images))),
        index="named" if prefix else "plain",
    )
    try:
        return parse_carefully(block, layout, first)
    except InputError as error:
        raise AssertionError(f"{block!r} was parsed, but: {error}") from error
