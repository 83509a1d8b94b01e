"""The slices that the report's galleries show: read, scored and drawn from the run's files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fewshot.config.base import Metric
from fewshot.config.names import FINAL
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.rand import RandScore, score_slice
from fewshot.report.gallery_data import (
    Gallery,
    Layer,
    Slide,
    image_or_black,
    pair_colors,
    picture,
    picture_size,
    regions,
)
from fewshot.report.number_format import decimals
from fewshot.report.overlaps import Overlap, overlap_of
from fewshot.report.paired_differences import Scores

MERGED, TRUTH = "merged", "truth"
ROOM = 11_500_000
"""About how many characters of the page a gallery may take."""
_AS_LABELLED = MergeRule(score_threshold=0.0)
_NO_RULE_THRESHOLD = 0.5


@dataclass(frozen=True)
class Reader:
    """A model's predictions (COCO) of the slices that are shown, and from which score they count.

    `threshold` None stands for 0.5.
    """

    predictions: Path
    threshold: float | None = None


@dataclass(frozen=True)
class Shown:
    """The labelled slices of the answer: every score, overlaps by image id, and the gallery."""

    scores: tuple[float, ...]
    overlaps: Mapping[int, Overlap]
    gallery: Gallery


def read_shown(
    truth: Path,
    readers: Mapping[str, Reader],
    rule: MergeRule,
    metric: Metric,
    scores: Scores,
) -> Shown | None:
    """Return the gallery of slice, truth, each reader and the merged answer; None without files.

    Args:
        truth: COCO file of labelled slices.
        readers: radiologists in their order, and `final`; those without a file are left out.
        rule: how the final model's masks become label maps.
        metric: the variant to sort by at first.
        scores: of single images by contender, where known.
    """
    there = {name: reader for name, reader in readers.items() if reader.predictions.is_file()}
    if not truth.is_file() or FINAL not in there:
        return None
    labels = read_coco(truth)
    masks = {name: read_coco(reader.predictions).masks for name, reader in there.items()}
    thresholds = {
        name: _NO_RULE_THRESHOLD if reader.threshold is None else reader.threshold
        for name, reader in there.items()
    }
    thresholds[FINAL] = rule.score_threshold
    maker = _SlideMaker(labels, masks, thresholds, rule, metric, scores)
    answers = {record.image_id: maker.answer(record) for record in labels.records}
    ranking = {
        image_id: answer.score.foreground if metric == "foreground" else answer.score.all_pixels
        for image_id, answer in answers.items()
    }
    # The worst slices first, so that what finds no room is what went well.
    ranked = sorted(labels.records, key=lambda one: (ranking[one.image_id], one.image_id))
    slides = _as_many_as_fit([(one, answers[one.image_id]) for one in ranked], maker)
    gallery = Gallery(
        key="slices",
        layers=[
            Layer(TRUTH, "truth"),
            *[Layer(name, name) for name in there],
            Layer(MERGED, "merged"),
        ],
        sorts=_sorts(metric, maker.radiologists),
        slides=[
            slides[record.file_name] for record in labels.records if record.file_name in slides
        ],
        left_out=len(ranked) - len(slides),
    )
    overlaps = {image_id: answer.overlap for image_id, answer in answers.items()}
    return Shown(tuple(ranking.values()), overlaps, gallery)


@dataclass(frozen=True)
class _Answer:
    score: RandScore
    overlap: Overlap


class _SlideMaker:
    """Scores slices, and draws them."""

    def __init__(
        self,
        labels: SliceSet,
        masks: Mapping[str, Mapping[int, SliceMasks]],
        thresholds: Mapping[str, float],
        rule: MergeRule,
        metric: Metric,
        scores: Scores,
    ) -> None:
        self._labels, self._masks, self._thresholds = labels, masks, thresholds
        self._rule, self._metric = rule, metric
        self._scores = {name: of_model.get(metric, {}) for name, of_model in scores.items()}
        self.radiologists = [name for name in masks if name != FINAL and self._scores.get(name)]

    def answer(self, record: SliceRecord) -> _Answer:
        """Return how the merged answer scores on a slice, and how much its masks overlap."""
        true = merge_masks(self._labels.masks_of(record.image_id), _AS_LABELLED)
        found = self._found(FINAL, record)
        score = score_slice(true, merge_masks(found, self._rule))
        return _Answer(score, overlap_of(found))

    def slide(self, record: SliceRecord, answer: _Answer) -> Slide:
        """Return a slice with the outlines of all answers."""
        image, remark = image_or_black(self._labels, record)
        size, quality = picture_size(image.shape, len(self._labels))
        truth = self._labels.masks_of(record.image_id)
        found = {name: self._found(name, record) for name in self._masks}
        # Filling gives every pixel away, and its outlines would say nothing about the masks.
        merged = merge_masks(found[FINAL], replace(self._rule, background="keep"))
        found[MERGED] = SliceMasks.from_label_map(record.image_id, merged, MERGED)
        colors = {name: pair_colors(truth, masks) for name, masks in found.items()}
        layers = {name: regions(masks, colors[name][1], size) for name, masks in found.items()}
        layers[TRUTH] = regions(truth, colors[MERGED][0], size)
        score, name = answer.score, record.file_name
        values = {"all": score.all_pixels, "foreground": score.foreground}
        values["gain"] = self._gain(name, values[self._metric])
        captions = {
            reader: f"ARI {decimals(self._scores[reader][name])}"
            for reader in self.radiologists
            if name in self._scores[reader]
        }
        captions[MERGED] = f"ARI {decimals(values[self._metric])}"
        note = f"all pixels {decimals(score.all_pixels)} · foreground {decimals(score.foreground)}"
        source = picture(image, size, quality)
        return Slide(name, source, *size, layers, values, captions, note + remark)

    def _found(self, name: str, record: SliceRecord) -> SliceMasks:
        found = self._masks[name].get(record.image_id)
        if found is None:
            return SliceMasks.empty(record.image_id, record.height, record.width)
        return found.above(self._thresholds[name])

    def _gain(self, name: str, score: float) -> float:
        """Return by how much the answer is ahead of the best radiologist on a slice."""
        others = [self._scores[reader].get(name, math.nan) for reader in self.radiologists]
        known = [other for other in others if not math.isnan(other)]
        return score - max(known) if known else math.nan


def _as_many_as_fit(
    ranked: Sequence[tuple[SliceRecord, _Answer]], maker: _SlideMaker
) -> dict[str, Slide]:
    slides: dict[str, Slide] = {}
    taken = 0
    for record, answer in ranked:
        slide = maker.slide(record, answer)
        taken += len(slide.source) + sum(
            len(path) + 6 for drawn in slide.layers.values() for _, path in drawn
        )
        if taken > ROOM:
            break
        slides[slide.title] = slide
    return slides


def _sorts(metric: Metric, radiologists: Sequence[str]) -> dict[str, str]:
    names = {"all": "ARI, all pixels", "foreground": "ARI, foreground"}
    sorts = {metric: names[metric], **names}
    if radiologists:
        sorts["gain"] = "lead over the best radiologist"
    return sorts
