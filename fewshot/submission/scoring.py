"""Scoring a submission, and comparing the label maps of two annotators."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fewshot.errors import InputError
from fewshot.files import write_json, write_text
from fewshot.metrics.scores import Scores, as_csv
from fewshot.metrics.slice_metrics import SliceScores, score_label_maps
from fewshot.parallel import processors
from fewshot.slices.groups import read_groups
from fewshot.slices.images import image_stem, name_a_few
from fewshot.slices.label_csv import LabelTable, read_label_csv
from fewshot.submission.submission import unmatched


@dataclass(frozen=True)
class ScoreReport:
    """The scores of a submission, and the patient of each image if known."""

    scores: Scores
    group_of: dict[str, str] | None

    def empty(self) -> list[str]:
        """Return the images whose truth has no region."""
        regions = self.scores.of_images("true_regions")
        return [name for name, count in regions.items() if count == 0]

    def rows(self) -> list[dict[str, Any]]:
        """Return the table of images: a dictionary for each, all with the same keys."""
        group_of = self.group_of or {}
        return [
            {"image": name, "group": group_of.get(name), **one}
            for name, one in self.scores.per_image.items()
        ]


@dataclass(frozen=True)
class Agreement:
    """How two annotators agree on the images both labelled, and the images only one labelled."""

    report: ScoreReport
    only_a: list[str]
    only_b: list[str]


def score_submission(
    truth: Path, submission: Path, groups: Path | None = None, workers: int | None = None
) -> ScoreReport:
    """Return all scores of a submission, per image and averaged.

    Both files are label CSVs in either form; columns are matched by image name, and scores have the
    truth's names. Images need not be square. `groups` is a CSV of image and patient: intervals are
    then resampled by patient. `workers` threads, by default one per processor, do not change the
    result.

    Raises `InputError` for a broken file, missing or extra images, another pixel count, or an image
    without a group.
    """
    true_table, table = _read_both(truth, submission, workers)
    _check_images(true_table, table)
    _check_pixels(true_table, table)
    return _compare(true_table, table, true_table.names, groups, workers)


def compare_annotators(
    a: Path,
    b: Path,
    groups: Path | None = None,
    *,
    count_empty: bool = False,
    workers: int | None = None,
) -> Agreement:
    """Return how two annotators' label CSVs agree, on the images that both labelled.

    An all-zero column is an image that was not labelled, or with `count_empty` one without
    findings. Raises `InputError` like `score_submission`, and if no image is labelled by both.
    """
    table_a, table_b = _read_both(a, b, workers)
    _check_pixels(table_a, table_b)
    by_a, by_b = _labelled(table_a, count_empty), _labelled(table_b, count_empty)
    both = [name for stem, name in by_a.items() if stem in by_b]
    if not both:
        raise InputError(f"{b}: no image is labelled both here and in {a}; nothing to compare")
    return Agreement(
        report=_compare(table_a, table_b, both, groups, workers),
        only_a=[name for stem, name in by_a.items() if stem not in by_b],
        only_b=[name for stem, name in by_b.items() if stem not in by_a],
    )


def write_score_table(path: Path, report: ScoreReport) -> None:
    """Write the table of images, as JSON if `path` ends in .json, otherwise as CSV."""
    rows = report.rows()
    if path.suffix == ".json":
        write_json(path, rows)
        return
    write_text(path, as_csv(rows))


def _read_both(a: Path, b: Path, workers: int | None) -> tuple[LabelTable, LabelTable]:
    with ThreadPoolExecutor(min(2, _threads(workers))) as pool:
        first, second = pool.map(read_label_csv, (a, b))
    return first, second


def _compare(
    truth: LabelTable,
    prediction: LabelTable,
    names: Sequence[str],
    groups: Path | None,
    workers: int | None,
) -> ScoreReport:
    group_of = None if groups is None else _groups_of(names, groups)
    true_rows = {image_stem(name): row for row, name in enumerate(truth.names)}
    rows = {image_stem(name): row for row, name in enumerate(prediction.names)}

    def score(part: Sequence[str]) -> list[tuple[str, SliceScores]]:
        scores = []
        for name in part:
            stem = image_stem(name)
            true_pixels, pixels = truth.pixels[true_rows[stem]], prediction.pixels[rows[stem]]
            scores.append((name, score_label_maps(true_pixels, pixels)))
        return scores

    # One part per thread: handing over single images costs as much as scoring them.
    threads = min(_threads(workers), len(names))
    bounds = [len(names) * thread // threads for thread in range(threads + 1)]
    parts = [names[start:stop] for start, stop in pairwise(bounds)]
    with ThreadPoolExecutor(threads) as pool:
        per_image = dict(pair for scores in pool.map(score, parts) for pair in scores)
    return ScoreReport(Scores.of(per_image, group_of), group_of)


def _threads(workers: int | None) -> int:
    return max(1, processors() if workers is None else workers)


def _labelled(table: LabelTable, count_empty: bool) -> dict[str, str]:
    """Return stem → name of the columns that count as labelled."""
    return {
        image_stem(name): name
        for name, pixels in zip(table.names, table.pixels, strict=True)
        if count_empty or pixels.any()
    }


def _groups_of(names: Sequence[str], path: Path) -> dict[str, str]:
    known = {image_stem(image): group for image, group in read_groups(path).items()}
    missing = [name for name in names if image_stem(name) not in known]
    if missing:
        raise InputError(f"{path}: no group for {name_a_few(missing)}; add a line for each image")
    return {name: known[image_stem(name)] for name in names}


def _check_images(truth: LabelTable, submission: LabelTable) -> None:
    missing, extra = unmatched(truth.names, submission.names)
    if missing:
        raise InputError(
            f"{submission.source}: no column for {name_a_few(missing)};"
            f" write one for each of the {len(truth.names)} images in {truth.source}"
        )
    if extra:
        raise InputError(
            f"{submission.source}: {name_a_few(extra)} not in {truth.source}; remove from the file"
        )


def _check_pixels(truth: LabelTable, other: LabelTable) -> None:
    expected, found = truth.pixels.shape[1], other.pixels.shape[1]
    if expected != found:
        raise InputError(
            f"{other.source}: {found} pixel rows where {truth.source} has {expected};"
            " write the label maps at the size of the images"
        )
