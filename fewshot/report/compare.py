"""Two runs side by side, as one self-contained HTML file."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fewshot.config.names import FINAL, WATERSHED
from fewshot.errors import InputError
from fewshot.files import write_text
from fewshot.metrics.bootstrap import PairedDifference
from fewshot.metrics.slice_metrics import Measure, decimals
from fewshot.report.answer_gallery import MERGED, ROOM, TRUTH
from fewshot.report.gallery import Gallery, GallerySlice, Layer, Order
from fewshot.report.html import Section, render_page
from fewshot.report.results import Differences, RunResults, paired_differences, read_results
from fewshot.report.sections.settings import differing
from fewshot.report.wording import Card, Cell, difference_cell, interval_note
from fewshot.run.scores import MASK_AP50, ModelScores, columns

_ANSWER = """
{{ answer_cards(cards) }}
<p class="note">Second run minus first. Each variant of the adjusted Rand index (ARI) is taken under
the merge rule that was tuned for it, all else under the rule tuned for
{{ metric_words[pair.metric] }}. {% if pair.changes %}The intervals compare the
{{ pair.changes | length }} slices that both runs scored, one by one.{% else %}The runs scored no
slice of the same name, so there are no intervals.{% endif %}</p>
"""
_SETTINGS = """
{% if differences %}
{{ settings_table(differences, "Settings that differ",
["First: " ~ pair.names[0], "Second: " ~ pair.names[1]]) }}
{% else %}
<p>None: both runs have the same settings.</p>
{% endif %}
"""
_SCORES = """
{% call table("Scores of all models", headings, "Mean over the " ~ pair.part ~ " slices: second \
run minus first, below it the first run and the second. Bold where the 95 % interval of the change \
leaves out 0.", "scores") %}
{% for name, cells in rows.items() %}{{ model_row(name, cells) }}{% endfor %}
{% endcall %}
"""
_SLICES = """
{% if extremes %}
{% call table("The slices that changed most", ["Slice", "First run", "Second run", "Change"],
"Final model, ARI over " ~ metric_words[pair.metric] ~ ", each run as tuned for it.", "narrow") %}
{% for name, first, second in extremes %}
{{ row(name, (first | score, second | score, (second - first) | score(signed=true))) }}
{% endfor %}
{% endcall %}
{% else %}
<p>The runs scored no slice of the same name.</p>
{% endif %}
{% if gallery %}
<p>Below, the true regions and both merged answers, each under the merge rule of its submission; a
region that overlaps a true one by more than half (IoU above 0.5) has its colour.</p>
{{ slices(gallery, "Slices with the answers of both runs") }}
{% endif %}
"""
_MOST = 10


class RunPair:
    """Two runs that are scored on the same part; slices are matched by name.

    Raises `InputError` when one is scored on test slices and the other on validation slices.
    """

    def __init__(self, first: RunResults, second: RunResults) -> None:
        self.first, self.second = first, second
        self.part, self.metric = second.scores.part, second.metric
        if first.scores.part != self.part:
            raise InputError(
                f"{second.layout.root}: is scored on {self.part} slices, {first.layout.root} on "
                f"{first.scores.part} slices; give test labels to both runs or to neither"
            )

    @property
    def names(self) -> tuple[str, str]:
        """The names of the runs: of their folders, or their paths if those are the same."""
        one, two = (run.layout.root.resolve() for run in (self.first, self.second))
        return (one.name, two.name) if one.name != two.name else (str(one), str(two))

    @property
    def models(self) -> dict[str, tuple[ModelScores | None, ModelScores | None]]:
        """Each model's scores in both runs; None if a run has no such model."""
        one, two = self.first.scores.models, self.second.scores.models
        names = sorted({**one, **two}, key=lambda name: name != WATERSHED)
        return {name: (one.get(name), two.get(name)) for name in names}

    @cached_property
    def changes(self) -> dict[str, tuple[float, float]]:
        """Image → the final model's index in both runs."""
        one, two = (
            run.scores.models[FINAL].tuned_for[self.metric].of_images(f"ari_{self.metric}")
            for run in (self.first, self.second)
        )
        return {name: (one[name], two[name]) for name in one if name in two}

    def differences(self, name: str) -> Differences:
        """Return the differences of a model's scores, second run minus first."""
        first, second = self.models[name]
        if first is None or second is None:
            return {}
        return paired_differences(second, first, self.metric, self.second.patients)


def report_two(first: Path, second: Path, target: Path | None = None) -> Path:
    """Write the comparison of two runs, by default to the second one's directory.

    It shows the settings that differ, the scores, and the slices whose scores changed most.
    """
    if first.resolve() == second.resolve():
        raise InputError(f"{first}: is given twice; give two runs")
    pair = RunPair(read_results(first), read_results(second))
    chosen = target or second / f"compared-with-{first.resolve().name}.html"
    write_text(chosen, compare_page(pair))
    return chosen


def compare_page(pair: RunPair) -> str:
    """Return the page of two runs."""
    one, two = pair.names
    facts = (
        f"First run: {one} · second run: {two} · scored on {pair.second.scores.answer.images} "
        f"{pair.part} slices"
    )
    return render_page(f"{one} against {two}", facts, _SECTIONS, pair)


def _change(pair: RunPair, name: str, measure: Measure) -> tuple[str, str]:
    """Return the change of a measure of a model, and its values in both runs, as text."""
    values = [None if one is None else one.value(measure, pair.metric) for one in pair.models[name]]
    means = [math.nan if one is None else one.mean for one in values]
    both = " to ".join(map(measure.text, means)) if any(values) else ""
    return measure.text(means[1] - means[0], signed=True), both


def _answer(pair: RunPair) -> Mapping[str, Any]:
    found = pair.differences(FINAL)
    shown = [one for one in columns() if one is not MASK_AP50]
    shown.sort(key=lambda one: one.name != f"ari_{pair.metric}")
    return {"pair": pair, "cards": [_card(pair, one, found.get(one.name)) for one in shown]}


def _card(pair: RunPair, measure: Measure, found: PairedDifference | None) -> Card:
    change, both = _change(pair, FINAL, measure)
    notes: list[str] = [both]
    if found is not None:
        better = "second" if (found.mean > 0) == measure.higher_is_better else "first"
        notes += interval_note(difference_cell(measure, found).below)
        notes.append("may be chance" if found.contains_zero else f"the {better} run is better")
    return Card(measure.heading, change, tuple(notes))


def _settings(pair: RunPair) -> Mapping[str, Any]:
    return {"pair": pair, "differences": differing(pair.first.settings, pair.second.settings)}


def _scores(pair: RunPair) -> Mapping[str, Any]:
    shown = columns()
    rows = {}
    for name in pair.models:
        found = pair.differences(name)
        marks = [difference_cell(one, found.get(one.name)).mark for one in shown]
        changes = [_change(pair, name, one) for one in shown]
        rows[name] = [Cell(*one, mark=mark) for one, mark in zip(changes, marks, strict=True)]
    return {"pair": pair, "headings": ["Model", *(one.heading for one in shown)], "rows": rows}


def _slices(pair: RunPair) -> Mapping[str, Any]:
    rows = [(name, *both) for name, both in pair.changes.items()]
    extremes = sorted(rows, key=lambda row: (-abs(row[2] - row[1]), row[0]))[:_MOST]
    return {"pair": pair, "extremes": extremes, "gallery": _gallery(pair)}


def _gallery(pair: RunPair) -> Gallery | None:
    """Return the slices of both runs with both answers, those that changed most first."""
    one, two = pair.first.gallery, pair.second.gallery
    if one is None or two is None:
        return None
    others = {drawn.title: drawn for drawn in two.slices}
    common = [
        (drawn, others[drawn.title])
        for drawn in one.slices
        if drawn.title in pair.changes
        and drawn.title in others
        and drawn.size == others[drawn.title].size
    ]
    slices: list[GallerySlice] = []
    room = ROOM
    for first, second in sorted(common, key=lambda both: -abs(_gain(pair, both[0].title))):
        room -= first.room(TRUTH, MERGED) + second.room(TRUTH, MERGED) - len(first.source)
        if room < 0:
            break
        slices.append(_both(pair, first, second))
    if not slices:
        return None
    return Gallery(
        key="changes",
        layers=[Layer(TRUTH, "truth"), Layer("first", "first run"), Layer("second", "second run")],
        orders=[
            Order("change", "change of the ARI (second minus first)"),
            Order("size", "size of the change", highest_first=True),
            Order("first", "ARI of the first run"),
            Order("second", "ARI of the second run"),
        ],
        slices=slices,
        left_out=len(common) - len(slices),
    )


def _gain(pair: RunPair, title: str) -> float:
    first, second = pair.changes[title]
    return second - first


def _both(pair: RunPair, first: GallerySlice, second: GallerySlice) -> GallerySlice:
    (one, two), change = pair.changes[first.title], _gain(pair, first.title)
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


_SECTIONS = (
    Section("answer", "Answer", "Which run does better?", _ANSWER, _answer),
    Section("settings", "Settings", "Settings that differ", _SETTINGS, _settings),
    Section("scores", "Scores", "Scores of all models", _SCORES, _scores),
    Section("slices", "Slices", "The slices that changed most", _SLICES, _slices),
)
