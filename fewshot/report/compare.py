"""Two runs side by side, as one HTML file that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fewshot.config.base import Metric
from fewshot.config.names import FINAL, WATERSHED
from fewshot.errors import InputError
from fewshot.files import write_text
from fewshot.metrics.merge_rules import TUNINGS
from fewshot.report import sections
from fewshot.report.gallery_data import Gallery, Layer, Slide
from fewshot.report.gallery_slices import MERGED, ROOM, TRUTH, Shown
from fewshot.report.html import render
from fewshot.report.number_format import decimals
from fewshot.report.page import ReportFiles, groups_of, scores_of, shown_of
from fewshot.report.paired_differences import Interval, Scores, paired_interval
from fewshot.report.score_table import ScoreRow
from fewshot.report.settings_table import differing


@dataclass(frozen=True)
class Pair:
    """One contender's score in two runs; None where a run has no such contender."""

    name: str
    first: ScoreRow | None
    second: ScoreRow | None
    intervals: Mapping[Metric, Interval]

    def change(self, column: str) -> float | None:
        """Return the second's value minus the first's; None where one is missing."""
        if self.first is None or self.second is None:
            return None
        change: float = getattr(self.second, column) - getattr(self.first, column)
        return change


def write_comparison(first: ReportFiles, second: ReportFiles, target: Path) -> None:
    """Write settings that differ, scores, and the slices whose scores changed, of two runs.

    Slices are compared where both runs have scores of them, by file name. Raises `InputError` when
    one run is scored on test slices and the other on validation slices.
    """
    write_text(target, render("compare.html.jinja", _content(first, second)))


def _content(first: ReportFiles, second: ReportFiles) -> dict[str, Any]:
    (answer, tables), (other, other_tables) = (
        sections.read_answer(files.metrics) for files in (first, second)
    )
    if answer.part != other.part:
        raise InputError(
            f"{second.root}: is scored on {other.part} slices, {first.root} on {answer.part} "
            "slices; give test labels to both runs or to neither"
        )
    scores, other_scores = scores_of(first, answer.part), scores_of(second, answer.part)
    changes = _changes(scores, other_scores, other.metric)
    return {
        "names": _names(first.root, second.root),
        "answers": (answer, other),
        "part": answer.part,
        "metric": other.metric,
        "pairs": _pairs(
            (tables[answer.part], scores),
            (other_tables[answer.part], other_scores),
            groups_of(second.truth),
        ),
        "settings": differing(first.settings, second.settings),
        "common": len(changes),
        "changes": _extremes(changes),
        "gallery": _gallery(
            shown_of(first, answer, scores), shown_of(second, other, other_scores), other.metric
        ),
    }


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Return what the runs are called: their folders, or their paths if those are the same."""
    one, two = first.resolve(), second.resolve()
    return (one.name, two.name) if one.name != two.name else (str(one), str(two))


def _pairs(
    first: tuple[list[ScoreRow], Scores],
    second: tuple[list[ScoreRow], Scores],
    groups: Mapping[str, str] | None,
) -> list[Pair]:
    rows, others = ({row.name: row for row in table} for table, _ in (first, second))
    names = [*rows, *[name for name in others if name not in rows]]
    return [
        Pair(
            name,
            rows.get(name),
            others.get(name),
            _intervals(first[1].get(name, {}), second[1].get(name, {}), groups),
        )
        for name in sorted(names, key=lambda name: name != WATERSHED)
    ]


def _intervals(
    first: Mapping[Metric, Mapping[str, float]],
    second: Mapping[Metric, Mapping[str, float]],
    groups: Mapping[str, str] | None,
) -> dict[Metric, Interval]:
    found = {
        metric: paired_interval(second[metric], first[metric], groups)
        for metric in TUNINGS
        if metric in first and metric in second
    }
    return {metric: interval for metric, interval in found.items() if interval is not None}


def _changes(first: Scores, second: Scores, metric: Metric) -> dict[str, tuple[float, float]]:
    """Return image → the final model's score in both runs."""
    one, two = (scores.get(FINAL, {}).get(metric, {}) for scores in (first, second))
    return {name: (one[name], two[name]) for name in one if name in two}


def _extremes(changes: Mapping[str, tuple[float, float]]) -> list[tuple[str, float, float]]:
    """Return the ten slices that changed most, the largest change first."""
    rows = [(name, *pair) for name, pair in changes.items()]
    return sorted(rows, key=lambda row: (-abs(row[2] - row[1]), row[0]))[:10]


def _gallery(first: Shown | None, second: Shown | None, metric: Metric) -> Gallery | None:
    """Return the slices of both runs with both answers, those that lost most first."""
    if first is None or second is None:
        return None
    others = {slide.title: slide for slide in second.gallery.slides}
    pairs = [
        (slide, others[slide.title])
        for slide in first.gallery.slides
        if slide.title in others and _same_size(slide, others[slide.title])
    ]
    ranked = sorted(pairs, key=lambda pair: -abs(_change(pair[0], pair[1], metric)))
    slides: list[Slide] = []
    room = ROOM
    for pair in ranked:
        room -= len(pair[0].source) + sum(
            len(path) + 6
            for slide in pair
            for key in (TRUTH, MERGED)
            for _, path in slide.layers[key]
        )
        if room < 0:
            break
        slides.append(_both(*pair, metric))
    if not slides:
        return None
    return Gallery(
        key="changes",
        layers=[Layer(TRUTH, "truth"), Layer("first", "first run"), Layer("second", "second run")],
        sorts={
            "change": "change of the ARI (second minus first)",
            "size": "size of the change",
            "first": "ARI of the first run",
            "second": "ARI of the second run",
        },
        slides=slides,
        left_out=len(pairs) - len(slides),
    )


def _both(first: Slide, second: Slide, metric: Metric) -> Slide:
    one, two, change = first.values[metric], second.values[metric], _change(first, second, metric)
    return replace(
        second,
        layers={
            TRUTH: second.layers[TRUTH],
            "first": first.layers[MERGED],
            "second": second.layers[MERGED],
        },
        values={"change": change, "size": abs(change), "first": one, "second": two},
        captions={"first": f"ARI {decimals(one)}", "second": f"ARI {decimals(two)}"},
        note=f"change {decimals(change, signed=True)}",
    )


def _change(first: Slide, second: Slide, metric: Metric) -> float:
    return second.values[metric] - first.values[metric]


def _same_size(first: Slide, second: Slide) -> bool:
    return (first.width, first.height) == (second.width, second.height)
