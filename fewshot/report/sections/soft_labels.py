"""What the soft labels look like: counts, figures, decisions of a review, and a gallery."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.drawing.contact_sheet import spread
from fewshot.drawing.figures import Picture
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.radiologists.review import VERDICTS, read_review
from fewshot.report.gallery import (
    Gallery,
    GallerySlice,
    Layer,
    Order,
    image_or_black,
    numbered,
    picture,
    picture_size,
    regions,
)
from fewshot.report.html import Section
from fewshot.report.results import RunResults
from fewshot.report.soft_label_figures import (
    kept_mask_figures,
    masks_a_slice_figure,
    soft_score_figure,
)
from fewshot.run.layout import RunLayout
from fewshot.text import counted

_SOFT = "soft"
_MOST_SLICES = 48
_TEMPLATE = """
{% if not audit or not audit.slices %}
<p>There were no unlabelled slices to label, so the final model learned from the labelled slices
alone.</p>
{% else %}
{% if not audit.masks %}
<p class="warning">No mask reached the radiologists' score thresholds, so the final model learned
from the labelled slices alone. Lower the thresholds, or train the radiologists longer.</p>
{% elif audit.runaway %}
<p class="warning">There are suspiciously many soft labels:
{{ "%.1f" | format(audit.masks_per_slice) }} masks a slice against
{{ "%.1f" | format(audit.masks_per_labelled_slice) }} in the labelled set. Raise the
radiologists' score thresholds before you trust the final model.</p>
{% endif %}
<div class="figures">
  {% for drawn in pictures %}{{ picture(drawn) }}{% endfor %}

  <div>
    <dl class="stats">
    {% for name, value in counts.items() %}
      <div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>
    {% endfor %}
    </dl>
    <p class="note">Slices without any soft label are left out of training: that a radiologist saw
    nothing is no evidence that nothing is there.</p>
  </div>
</div>
{% endif %}
{% if reviewed %}
<p><strong>A person has reviewed them.</strong> Of the masks, {{ reviewed.accept }} were accepted
and counted as certain, {{ reviewed.reject }} rejected and their pixels ignored in training,
{{ reviewed.delete }} deleted; the figures here are of the soft labels before that.</p>
{% endif %}
{% if gallery %}
<h3>Soft-labelled slices, the least certain first</h3>
{{ slices(gallery, "Soft-labelled slices") }}
{% endif %}
"""


def _reads(layout: RunLayout) -> list[Path]:
    own = [layout.soft_labels, layout.review, layout.train, layout.validation]
    return [*own, *[layout.answers(one) / layout.validation.name for one in layout.radiologists]]


def _build(results: RunResults) -> Mapping[str, Any]:
    layout = results.layout
    return {
        "audit": results.audit,
        "counts": _counts(results),
        "pictures": _pictures(results),
        "reviewed": _reviewed(layout.review),
        "gallery": _gallery(layout.soft_labels),
    }


def _counts(results: RunResults) -> dict[str, str]:
    audit = results.audit
    if audit is None or not audit.slices:
        return {}
    share = 100 * audit.labelled / audit.slices
    return {
        "Unlabelled slices": str(audit.slices),
        "Of these soft-labelled": f"{audit.labelled} ({share:.1f} %)",
        "Masks per soft-labelled slice": f"{audit.masks_per_slice:.1f}",
        "Masks per labelled slice": f"{audit.masks_per_labelled_slice:.1f}",
        "Soft labels in total": f"{audit.masks} masks",
        "Masks ignored as uncertain": str(audit.uncertain),
        "Slices without soft labels": str(audit.empty),
    }


def _pictures(results: RunResults) -> list[Picture]:
    audit, layout = results.audit, results.layout
    if audit is None or not audit.masks:
        return []
    by_slice = masks_a_slice_figure(layout.soft_labels, layout.train)
    chosen = {
        name: float(entry["threshold"])
        for name, entry in audit.reliability.items()
        if entry.get("threshold") is not None
    }
    return [
        soft_score_figure(audit.score_histogram),
        *([] if by_slice is None else [by_slice]),
        *kept_mask_figures(layout.validation, results.predictions(layout.validation), chosen),
    ]


def _reviewed(path: Path) -> dict[str, int]:
    """Return verdict → number of decisions in a review; empty without one."""
    if not path.is_file():
        return {}
    verdicts = [decision.verdict for decision in read_review(path).values()]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def _gallery(path: Path) -> Gallery | None:
    """Return soft-labelled slices from the least to the most certain; None if there are none."""
    if not path.is_file():
        return None
    soft = read_coco(path)
    labelled = [record for record in soft.records if len(soft.masks_of(record.image_id))]
    if not labelled:
        return None
    certainty = {
        record.image_id: float(soft.masks_of(record.image_id).scores.mean()) for record in labelled
    }
    ranked = sorted(range(len(labelled)), key=lambda row: certainty[labelled[row].image_id])
    chosen = [labelled[row] for row in sorted(spread(ranked, _MOST_SLICES))]
    slices = [
        _gallery_slice(soft, record, certainty[record.image_id], len(chosen)) for record in chosen
    ]
    return Gallery(
        key="soft",
        layers=[Layer(_SOFT, "soft labels")],
        orders=[Order("certainty", "mean score of the masks"), Order("masks", "number of masks")],
        slices=slices,
        left_out=len(labelled) - len(chosen),
    )


def _gallery_slice(
    soft: SliceSet, record: SliceRecord, certainty: float, count: int
) -> GallerySlice:
    masks = soft.masks_of(record.image_id)
    image, remark = image_or_black(soft, record)
    size, quality = picture_size(image.shape, count)
    words = counted(len(masks), "mask")
    return GallerySlice(
        record.file_name,
        picture(image, size, quality),
        *size,
        layers={_SOFT: regions(masks, numbered(len(masks)), size)},
        values={"certainty": certainty, "masks": len(masks)},
        note=f"{words} by {_names(masks.sources)}, scores {_range(masks.scores)}{remark}",
    )


def _names(sources: Sequence[str]) -> str:
    return ", ".join(sorted(set(sources)))


def _range(scores: NDArray[np.float32]) -> str:
    low, high = f"{scores.min():.2f}", f"{scores.max():.2f}"
    return low if low == high else f"{low} to {high}"


SOFT_LABELS = Section(
    "soft-labels", "Soft labels", "What the soft labels look like", _TEMPLATE, _build, reads=_reads
)
