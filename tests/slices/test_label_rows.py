"""The quick parser of rows against the careful one, on rows that are nearly right."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.slices.label_rows import (
    LabelLayout,
    count_lines,
    parse_carefully,
    parse_fast,
    parse_rows,
)

LAYOUT = LabelLayout(Path("Y.csv"), "", ("0.png", "1.png"), "named")
cells = st.sampled_from(
    [
        "0",
        "7",
        "255",
        "",
        " 3",
        "4 ",
        "+5",
        "-0",
        "007",
        "256",
        "9\r",
        "\t1",
        "\x0b2",
        '"8"',
        '"',
        "\r",
    ]
)
ends = st.sampled_from(["\n", "\r\n", "\n\n", "\r", ",\n", ""])


@st.composite
def nearly_right_rows(draw: st.DrawFn) -> bytes:
    index = st.sampled_from(["Pixel {}", '"Pixel {}"', "{}", "Pixel {} "])
    # Mostly right, so that the quick parser accepts a good share of the blocks.
    mostly = [draw(st.just("Pixel {}") | index) for _ in range(draw(st.integers(1, 4)))]
    rows = [
        f"{form.format(row)},{draw(cells)},{draw(cells)}{draw(st.just(chr(10)) | ends)}"
        for row, form in enumerate(mostly)
    ]
    return "".join(rows).encode()


@settings(max_examples=400, deadline=None)
@given(block=nearly_right_rows())
def test_what_the_quick_parser_accepts_the_careful_one_reads_alike(block: bytes) -> None:
    fast = parse_fast(block, LAYOUT, 0)
    if fast is not None:
        np.testing.assert_array_equal(fast, parse_carefully(block, LAYOUT, 0))


def test_good_rows_need_no_careful_parser() -> None:
    block = b'Pixel 8,1,2\nPixel 9,3,"4"\r\n"Pixel 10",255,0'
    fast = parse_fast(block, LAYOUT, 8)
    assert fast is not None
    assert fast.tolist() == [[1, 3, 255], [2, 4, 0]]
    assert fast.flags.c_contiguous
    np.testing.assert_array_equal(parse_rows(block, LAYOUT, 8), fast)
    np.testing.assert_array_equal(parse_carefully(block, LAYOUT, 8), fast)


def test_lines_are_counted_with_and_without_the_last_line_end() -> None:
    assert [count_lines(block) for block in (b"a", b"a\n", b"a\nb", b"\n\n")] == [1, 1, 2, 2]
