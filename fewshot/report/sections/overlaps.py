"""How much the final model's masks overlap, before and after merging."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.config.names import FINAL
from fewshot.drawing.contours import Panel, filled_panel
from fewshot.masks.coco import SliceSet, read_coco
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.report.gallery import image_or_black
from fewshot.report.html import Section
from fewshot.report.results import RunResults

_MOST = 4
_TEMPLATE = """
{% if overlaps %}
<p>Masks may overlap, a label map may not: a shared pixel goes to the mask with the highest score.
On {{ overlapping }} of {{ overlaps | length }} {{ scores.part }} slices masks of the final model
overlap, and {{ "%.1f" | format(100 * shared_fraction) }} % of the pixels under any mask are under
more than one (masks with a score of at least
{{ "%g" | format(scores.rule.score_threshold) }}).</p>
{% if worst %}
<p>The slices with the most shared pixels, which are white before; a region keeps the colour of its
mask{% if scores.rule.background == "nearest" %}, and the filling of the background that follows is
left out{% endif %}.</p>
<div class="gallery">
{% for one in worst %}
  <figure>
    <div>
    {% for panel in one.panels %}
      <span><img src="{{ panel.source }}" width="{{ panel.width }}" height="{{ panel.height }}"
      alt="{{ one.title }}, {{ panel.caption }}: {{ panel.alt }}">{{ panel.caption }}</span>
    {% endfor %}
    </div>
    <figcaption><strong>{{ one.title }}</strong> {{ one.note }}</figcaption>
  </figure>
{% endfor %}
</div>
{% endif %}
{% else %}
<p>There are no labelled slices with predictions to show.</p>
{% endif %}
"""


@dataclass(frozen=True)
class Overlap:
    """Pixels of a slice under at least one mask, and under more than one."""

    covered: int
    shared: int


@dataclass(frozen=True)
class BeforeAndAfter:
    """A slice before and after merging: its file, a note, and its pictures."""

    title: str
    note: str
    panels: tuple[Panel, ...]


def _build(results: RunResults) -> Mapping[str, Any]:
    scores, truth = results.scores, results.truth
    predictions = results.layout.answers(FINAL) / truth.name
    if not truth.is_file() or not predictions.is_file():
        return {"overlaps": {}}
    slices, masks = read_coco(truth), read_coco(predictions).masks
    kept = {
        record.image_id: masks[record.image_id].above(scores.rule.score_threshold)
        for record in slices.records
        if record.image_id in masks
    }
    overlaps = {record.image_id: Overlap(0, 0) for record in slices.records}
    overlaps |= {image_id: overlap_of(one) for image_id, one in kept.items()}
    covered = sum(one.covered for one in overlaps.values())
    shared = sum(one.shared for one in overlaps.values())
    worst = sorted(overlaps, key=lambda image_id: (-overlaps[image_id].shared, image_id))[:_MOST]
    return {
        "scores": scores,
        "overlaps": overlaps,
        "overlapping": sum(one.shared > 0 for one in overlaps.values()),
        "shared_fraction": shared / covered if covered else 0.0,
        "worst": [
            _before_and_after(slices, kept[image_id], scores.rule, overlaps[image_id])
            for image_id in worst
            if overlaps[image_id].shared
        ],
    }


def overlap_of(masks: SliceMasks) -> Overlap:
    """Return how much the masks of a slice overlap."""
    depth = _depth(masks)
    return Overlap(int(np.count_nonzero(depth)), int(np.count_nonzero(depth > 1)))


def _before_and_after(
    slices: SliceSet, kept: SliceMasks, rule: MergeRule, overlap: Overlap
) -> BeforeAndAfter:
    """Draw a slice, without filling the background."""
    record = next(one for one in slices.records if one.image_id == kept.image_id)
    image, _ = image_or_black(slices, record)
    merged = merge_masks(kept, MergeRule(rule.score_threshold, rule.min_area))
    after = [merged == label for label in range(1, int(merged.max()) + 1)]
    # In the order of the merge, so that a mask keeps its colour.
    order = np.lexsort((-kept.areas(), -kept.scores))
    before = list(kept.select(order).decode())
    names = _colors(before, after)
    note = (
        f"{overlap.shared} of {overlap.covered} covered pixels are under more than one of "
        f"{len(before)} masks; {len(after)} regions are left"
    )
    return BeforeAndAfter(
        record.file_name,
        note,
        (
            filled_panel(
                image,
                list(zip(before, range(len(before)), strict=True)),
                "before",
                f"{len(before)} overlapping masks, shared pixels white",
            ),
            filled_panel(
                image,
                list(zip(after, names, strict=True)),
                "after",
                f"{len(after)} regions without overlap",
            ),
        ),
    )


def _colors(before: list[NDArray[np.bool_]], after: list[NDArray[np.bool_]]) -> list[int]:
    """Return which mask each region comes from: the first, in order, that contains it."""
    names, start = [], 0
    for region in after:
        while start < len(before) and (region & ~before[start]).any():
            start += 1
        names.append(start)
        start += 1
    return names


def _depth(masks: SliceMasks) -> NDArray[np.uint16]:
    depth = np.zeros((masks.height, masks.width), np.uint16, order="F")
    for mask in masks.decode():
        depth += mask
    return depth


OVERLAPS = Section(
    "overlaps",
    "Overlaps",
    "What becomes of overlapping masks",
    _TEMPLATE,
    _build,
    reads=lambda layout: [layout.answers(FINAL) / layout.labelled_parts[-1].name],
)
