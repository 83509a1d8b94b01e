"""Label maps that are packed one by one: every block comes back, whatever its borders."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.slices.label_csv import write_label_csv
from fewshot.slices.packed_maps import PackedMaps
from fewshot.submission.submission import write_submission


@given(st.integers(1, 4), st.integers(1, 900), st.data())
def test_blocks_come_back(count: int, pixels: int, data: st.DataObject) -> None:
    maps = np.random.default_rng(pixels).integers(0, 256, (count, pixels), dtype=np.uint8)
    # Told of many maps, it packs in the smallest bands.
    packed = PackedMaps(iter(maps), data.draw(st.sampled_from([count, 10**6])))
    assert (len(packed), packed.pixels) == (count, pixels)
    for _ in range(3):
        start, stop = sorted(data.draw(st.tuples(*[st.integers(0, pixels)] * 2)))
        if start < stop:
            np.testing.assert_array_equal(packed.block(start, stop), maps[:, start:stop])
    order = data.draw(st.permutations(range(count)))
    packed.reorder(order)
    np.testing.assert_array_equal(packed.block(0, pixels), maps[order])


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_submission_from_an_iterator_is_the_table_of_its_maps(
    tmp_path: Path, suffix: str
) -> None:
    rng = np.random.default_rng(3)
    maps = [rng.integers(0, 120, (150, 130), dtype=np.uint8) for _ in range(12)]
    names = [f"{number}.png" for number in range(12)]
    write_label_csv(tmp_path / f"table{suffix}", names, maps)
    write_submission(tmp_path / f"stream{suffix}", names[::-1], iter(maps[::-1]))
    assert (tmp_path / f"stream{suffix}").read_bytes() == (tmp_path / f"table{suffix}").read_bytes()
