"""The baseline on many slices: files, more regions than a byte holds."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.classical.aggregation import mode_of_label_maps
from fewshot.classical.baseline import (
    Baseline,
    within_a_byte,
    write_baseline_coco,
    write_baseline_csv,
)
from fewshot.classical.table import as_csv, as_text, examples, measure_baselines, report_baselines
from fewshot.classical.watershed import watershed_label_map
from fewshot.config.preprocessing import ClaheStep, TotalVariationStep
from fewshot.config.watershed import WatershedSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.metrics.rand import adjusted_rand, score_slice
from fewshot.preprocess.denoising import total_variation
from fewshot.preprocess.filters import clahe
from fewshot.slices.images import read_image, write_image
from fewshot.slices.label_csv import read_label_csv

REPORT = Baseline(sequences=((ClaheStep(), TotalVariationStep()),))


def expected(slices: SliceSet, record: SliceRecord) -> NDArray[np.int32]:
    return watershed_label_map(total_variation(clahe(read_image(slices.path_of(record)))))


@pytest.mark.parametrize("workers", [1, 3])
def test_csv_holds_the_regions_of_each_slice(
    miniature: SliceSet, tmp_path: Path, workers: int
) -> None:
    seen: list[int] = []
    target = tmp_path / "new" / "y.csv.gz"
    write_baseline_csv(target, REPORT, miniature, "named", workers, lambda at, _: seen.append(at))
    table = read_label_csv(target)
    assert table.names == tuple(f"{index}.png" for index in range(6))
    for record in miniature.records:
        found = table.label_map(record.file_name, 64, 64)
        np.testing.assert_array_equal(found, expected(miniature, record))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [path.name for path in target.parent.iterdir()] == ["y.csv.gz"]


def test_coco_holds_the_same_regions_in_order_of_image_id(
    miniature: SliceSet, tmp_path: Path
) -> None:
    backwards = SliceSet(miniature.images, miniature.records[::-1], {})
    write_baseline_coco(tmp_path / "y.json", REPORT, backwards, 2)
    found = read_coco(tmp_path / "y.json")
    for record in miniature.records:
        masks = found.masks_of(record.image_id)
        regions = expected(miniature, record)
        assert set(masks.sources) == {"watershed"}
        assert masks.decode().sum(axis=0).max() == 1
        for region, mask in enumerate(masks.decode(), start=1):
            np.testing.assert_array_equal(mask, regions == region)


def test_several_sequences_give_their_mode(miniature: SliceSet) -> None:
    image = read_image(miniature.path_of(miniature.records[0]))
    sequences = tuple((TotalVariationStep(weight=weight),) for weight in (0.05, 0.1, 0.2))
    maps = [Baseline(sequences=(one,)).label_map(image) for one in sequences]
    together = Baseline(sequences=sequences).label_map(image)
    np.testing.assert_array_equal(together, mode_of_label_maps(maps))


def test_slices_of_two_sizes_fit_no_csv(tmp_path: Path) -> None:
    for name, size in (("0.png", 20), ("1.png", 30)):
        write_image(tmp_path / name, np.zeros((size, size), np.uint8))
    records = (SliceRecord(0, "0.png", 20, 20), SliceRecord(1, "1.png", 30, 30))
    slices = SliceSet(tmp_path, records, {})
    with pytest.raises(InputError, match=r"the slices have 2 sizes, a CSV only one"):
        write_baseline_csv(tmp_path / "out" / "y.csv", Baseline(), slices)
    assert not (tmp_path / "out").exists()


def test_more_regions_than_a_byte_holds_join_their_neighbours() -> None:
    tiles = np.arange(400, dtype=np.int32).reshape(20, 20).repeat(6, 0).repeat(6, 1)
    small = np.where(np.arange(120) % 6 < 2, tiles, 1)  # all but 1 are small, 0 is no region
    few = within_a_byte(small)
    assert few.dtype == np.uint8
    assert set(np.unique(few)) == set(range(256))
    np.testing.assert_array_equal(few == 0, small == 0)
    np.testing.assert_array_equal(few[small == 1], 1)
    joined = (few == 1) & (small != 1)
    assert np.unique(small[joined]).size == 399 - 255
    assert adjusted_rand(small[~joined], few[~joined], foreground=False) > 0.999
    np.testing.assert_array_equal(within_a_byte(small % 250), small % 250)


def test_the_table_scores_every_row_on_every_labelled_slice(miniature: SliceSet) -> None:
    labelled = miniature.subset(range(5))
    watershed = WatershedSettings(gradient_radius=3)
    baselines = report_baselines(watershed)
    rows = measure_baselines(baselines, labelled)
    assert [row.name for row in rows] == [name for name, _ in baselines]
    assert any("bilateral" in row.name and "15" in row.parameters for row in rows)
    assert any("variation" in row.name and "0.08" in row.parameters for row in rows)
    plain = rows[0].as_json()
    scores = [
        score_slice(
            labelled.masks_of(record.image_id).decode().argmax(axis=0)
            + labelled.masks_of(record.image_id).decode().any(axis=0),
            watershed_label_map(read_image(labelled.path_of(record)), watershed),
        )
        for record in labelled.records
    ]
    assert plain["ari_all"] == pytest.approx(np.mean([one.all_pixels for one in scores]))
    assert plain["ari_foreground"] == pytest.approx(np.mean([one.foreground for one in scores]))
    assert plain["ari_all_interval"][0] <= plain["ari_all"] <= plain["ari_all_interval"][1]
    assert len({row.as_json()["ari_all"] for row in rows}) == len(rows)
    assert all(row.wall > 0 and row.regions > 1 for row in rows)
    lines = as_csv(rows).splitlines()
    assert lines[0].startswith("filter,parameters,ari_all,ari_all_low,ari_all_high,")
    assert len(lines) == 1 + len(rows) == len(as_text(rows).splitlines())
    assert {record.image_id for record in examples(rows, labelled)} < {0, 1, 2, 3, 4}
    assert len(examples(rows, labelled)) == 2
    assert len(examples(rows, labelled, 30)) == 5
