"""The gallery of the scored slices, with the masks of every model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fewshot.config.names import FINAL
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.merge import merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.slice_metrics import METRICS, SliceScores, decimals
from fewshot.report.gallery import (
    Gallery,
    GallerySlice,
    Layer,
    Order,
    image_or_black,
    pair_colors,
    picture,
    picture_size,
    regions,
)
from fewshot.run.scores import RunScores

MERGED, TRUTH = "merged", "truth"
ROOM = 11_500_000
"""Characters of the page that a gallery may take, roughly."""
_NO_RULE_THRESHOLD = 0.5
_GAIN = "gain"


@dataclass(frozen=True)
class ModelMasks:
    """A model's predictions (COCO), and its score threshold; None stands for 0.5."""

    predictions: Path
    threshold: float | None = None


def answer_gallery(
    truth: Path, models: Mapping[str, ModelMasks], scores: RunScores
) -> Gallery | None:
    """Return slices with truth, masks of each model and merged answer; None without predictions.

    Args:
        truth: COCO file of labelled slices.
        models: radiologists in order, then `final`; those without a file are left out.
        scores: of the run; slices can be sorted by those of single images.
    """
    there = {name: one for name, one in models.items() if one.predictions.is_file()}
    if not truth.is_file() or FINAL not in there:
        return None
    drawing = _SliceDrawing(read_coco(truth), there, scores)
    index = f"ari_{scores.metric}"
    by_score = drawing.answers.of_images(index)
    # The worst slices first, so that those without room are those that went well.
    records = drawing.labels.records
    ranked = sorted(records, key=lambda one: (by_score.get(one.file_name, 0.0), one.image_id))
    slices: dict[str, GallerySlice] = {}
    room = ROOM
    for record in ranked:
        drawn = drawing.draw(record)
        room -= drawn.room()
        if room < 0:
            break
        slices[drawn.title] = drawn
    if not slices:
        return None
    titles = {TRUTH: "truth", **{name: name for name in there}, MERGED: "merged"}
    return Gallery(
        key="slices",
        layers=[Layer(key, title) for key, title in titles.items()],
        orders=drawing.orders(),
        slices=[slices[one.file_name] for one in records if one.file_name in slices],
        left_out=len(ranked) - len(slices),
    )


class _SliceDrawing:
    """Draws slices with the masks of all models."""

    def __init__(
        self, labels: SliceSet, models: Mapping[str, ModelMasks], scores: RunScores
    ) -> None:
        self.labels = labels
        self._masks = {name: read_coco(one.predictions).masks for name, one in models.items()}
        self._thresholds = {
            name: _NO_RULE_THRESHOLD if one.threshold is None else one.threshold
            for name, one in models.items()
        }
        self._scores = scores
        self._index = f"ari_{scores.metric}"
        self.answers = scores.answer
        self._radiologists = {
            name: scores.models[name].tuned_for[scores.metric].of_images(self._index)
            for name in models
            if name != FINAL and name in scores.models
        }

    def orders(self) -> list[Order]:
        """Return the orders in which slices can be sorted, by the submission's index first."""
        measured = {name for one in self.answers.per_image.values() for name in one}
        orders = [
            Order(name, one.heading, highest_first=not one.higher_is_better)
            for name, one in METRICS.items()
            if one.higher_is_better is not None and name in measured
        ]
        orders.sort(key=lambda order: order.key != self._index)
        if any(self._radiologists.values()):
            orders.append(Order(_GAIN, "lead over the best radiologist"))
        return orders

    def draw(self, record: SliceRecord) -> GallerySlice:
        """Return a slice with the outlines of all models."""
        image, remark = image_or_black(self.labels, record)
        size, quality = picture_size(image.shape, len(self.labels))
        truth = self.labels.masks_of(record.image_id)
        found = {name: self._found(name, record) for name in self._masks}
        # With filling every pixel is in some region, and the outlines would not show the masks.
        merged = merge_masks(found[FINAL], replace(self._scores.rule, background="keep"))
        found[MERGED] = SliceMasks.from_label_map(record.image_id, merged, MERGED)
        colors = {name: pair_colors(truth, masks) for name, masks in found.items()}
        layers = {name: regions(masks, colors[name][1], size) for name, masks in found.items()}
        layers[TRUTH] = regions(truth, colors[MERGED][0], size)
        name = record.file_name
        own = self.answers.per_image.get(name, {})
        captions = {
            radiologist: f"ARI {decimals(by_image[name])}"
            for radiologist, by_image in self._radiologists.items()
            if name in by_image
        }
        if self._index in own:
            captions[MERGED] = f"ARI {decimals(own[self._index])}"
        values = {**own, **self._gain(name, own)}
        source = picture(image, size, quality)
        return GallerySlice(name, source, *size, layers, values, captions, _note(own) + remark)

    def _found(self, name: str, record: SliceRecord) -> SliceMasks:
        found = self._masks[name].get(record.image_id)
        if found is None:
            return SliceMasks.empty(record.image_id, record.height, record.width)
        return found.above(self._thresholds[name])

    def _gain(self, name: str, own: SliceScores) -> SliceScores:
        """Return the lead of the answer over the best radiologist on a slice, if known."""
        others = [one[name] for one in self._radiologists.values() if name in one]
        return {_GAIN: own[self._index] - max(others)} if others and self._index in own else {}


def _note(scores: SliceScores) -> str:
    """Return the scores that have a column in the tables, on one line."""
    return " · ".join(
        f"{one.heading} {one.text(scores[name]) if one.higher_is_better else f'{scores[name]:g}'}"
        for name, one in METRICS.items()
        if one.has_column and name in scores
    )
