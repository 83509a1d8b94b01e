"""Calibration: on slices where the right rule is plain to see, that rule is found."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.config.tree import MergeSettings, Metric
from fewshot.masks.merge import Background, MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode
from fewshot.metrics.rand import score_slice
from fewshot.radiologists.calibration import Calibration, choose_rule, mean_score

SIZE = 100  # so that the areas tried are 0, 5, 10, 20 and 40 pixels

Box = tuple[int, int, int, int]  # top, left, bottom, right
LEFT, RIGHT = (20, 10, 80, 45), (20, 55, 80, 90)
LEFT_CORE, RIGHT_CORE = (25, 14, 75, 41), (25, 59, 75, 86)
CORNER, TOP = (0, 0, 15, 15), (0, 30, 15, 70)
SPECK = (40, 20, 42, 24)  # eight pixels of LEFT
STRAY = (90, 90, 92, 94)  # eight pixels of background


def area_of(box: Box) -> NDArray[np.bool_]:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


def labels(*regions: Box) -> NDArray[np.uint8]:
    label_map = np.zeros((SIZE, SIZE), dtype=np.uint8)
    for label, region in enumerate(regions, start=1):
        label_map[area_of(region)] = label
    return label_map


def masks(*scored: tuple[float, Box], image_id: int = 0) -> SliceMasks:
    rles = tuple(encode(area_of(region)) for _, region in scored)
    scores = np.array([score for score, _ in scored], dtype=np.float32)
    return SliceMasks(image_id, SIZE, SIZE, scores, boxes(rles), rles, ("final",) * len(rles))


def choose(
    regions: Sequence[Box],
    found: Sequence[tuple[float, Box]],
    metric: Metric,
    merge: MergeSettings | None = None,
    score_threshold: float | None = None,
) -> Calibration:
    return choose_rule(
        {0: labels(*regions)}, {0: masks(*found)}, merge or MergeSettings(), metric, score_threshold
    )


@pytest.mark.parametrize(
    ("regions", "found", "metric", "expected"),
    [
        # All there is to find is found: the highest threshold that keeps it, no area, no fill.
        ([LEFT, RIGHT], [(0.9, LEFT), (0.72, RIGHT)], "all", MergeRule(0.7, 0, "keep")),
        (
            [LEFT, RIGHT, TOP],
            [(0.9, LEFT), (0.81, RIGHT), (0.72, TOP)],
            "foreground",
            MergeRule(0.8, 0, "keep"),
        ),
        # The foreground needs one region less: what is left over is a region by itself.
        ([LEFT, RIGHT], [(0.9, LEFT), (0.72, RIGHT)], "foreground", MergeRule(0.9, 0, "keep")),
        # A threshold holds the score that equals it.
        ([LEFT, RIGHT], [(0.9, LEFT), (0.7, RIGHT)], "all", MergeRule(0.7, 0, "keep")),
        # A true mask of low score is worth lowering the threshold for.
        ([LEFT, RIGHT], [(0.9, LEFT), (0.12, RIGHT)], "all", MergeRule(0.1, 0, "keep")),
        (
            [LEFT, RIGHT, TOP],
            [(0.9, LEFT), (0.12, RIGHT), (0.04, TOP)],
            "foreground",
            MergeRule(0.1, 0, "keep"),
        ),
        # A false mask is worth raising it for, even by little.
        ([LEFT], [(0.8, LEFT), (0.6, CORNER)], "all", MergeRule(0.8, 0, "keep")),
        (
            [LEFT, RIGHT],
            [(0.5, LEFT), (0.5, RIGHT), (0.46, CORNER)],
            "all",
            MergeRule(0.5, 0, "keep"),
        ),
        # Nothing to find: above the false mask.
        ([], [(0.83, CORNER)], "all", MergeRule(0.95, 0, "keep")),
        # FACTS of the metric: too small masks are filled up for the foreground only.
        (
            [LEFT, RIGHT],
            [(0.9, LEFT_CORE), (0.9, RIGHT_CORE)],
            "all",
            MergeRule(0.9, 0, "keep"),
        ),
        (
            [LEFT, RIGHT],
            [(0.9, LEFT_CORE), (0.9, RIGHT_CORE)],
            "foreground",
            MergeRule(0.9, 0, "nearest"),
        ),
        # Confident specks: the smallest area that drops them. On the background they harm one
        # metric only, in a region both.
        ([LEFT], [(0.9, LEFT), (0.96, STRAY)], "all", MergeRule(0.9, 10, "keep")),
        ([LEFT, RIGHT], [(0.9, LEFT), (0.9, RIGHT), (0.96, STRAY)], "foreground", MergeRule(0.9)),
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.9, RIGHT), (0.96, SPECK)],
            "all",
            MergeRule(0.9, 10, "keep"),
        ),
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.9, RIGHT), (0.96, SPECK)],
            "foreground",
            MergeRule(0.9, 10, "keep"),
        ),
        # A stray is put up with for a region's sake; then the area drops it.
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.3, RIGHT), (0.5, STRAY)],
            "all",
            MergeRule(0.3, 10, "keep"),
        ),
        # No masks at all: anything scores the same.
        ([LEFT, RIGHT], [], "all", MergeRule(0.95, 0, "keep")),
    ],
)
def test_the_right_rule(
    regions: list[Box], found: list[tuple[float, Box]], metric: Metric, expected: MergeRule
) -> None:
    assert choose(regions, found, metric).rule == expected


def test_the_two_metrics_want_opposite_backgrounds() -> None:
    found = [(0.9, LEFT_CORE), (0.9, RIGHT_CORE)]
    for_all = choose([LEFT, RIGHT], found, "all")
    for_foreground = choose([LEFT, RIGHT], found, "foreground")
    assert (for_all.rule.background, for_foreground.rule.background) == ("keep", "nearest")
    # Each rule is worse than the other by the other's metric.
    assert for_foreground.validation.foreground > for_all.validation.foreground + 0.2
    assert for_all.validation.all_pixels > for_foreground.validation.all_pixels + 0.2


@pytest.mark.parametrize(
    ("merge", "score_threshold", "expected"),
    [
        # With nothing fixed; then each fixed against what is better, and the rest still chosen.
        (MergeSettings(), None, MergeRule(0.9, 10, "keep")),
        (MergeSettings(background="keep"), None, MergeRule(0.9, 10, "keep")),
        (MergeSettings(min_area=7), None, MergeRule(0.9, 7, "keep")),
        (MergeSettings(min_area=0), None, MergeRule(0.9, 0, "keep")),
        (MergeSettings(), 0.63, MergeRule(0.63, 10, "keep")),
        # A fill spreads the stray over its corner, unless the area drops it.
        (MergeSettings(background="nearest"), 0.63, MergeRule(0.63, 10, "nearest")),
        (
            MergeSettings(background="nearest", min_area=3000),
            0.99,
            MergeRule(0.99, 3000, "nearest"),
        ),
    ],
)
def test_what_is_fixed_is_kept(
    merge: MergeSettings, score_threshold: float | None, expected: MergeRule
) -> None:
    found = [(0.9, LEFT), (0.9, RIGHT), (0.96, STRAY)]
    chosen = choose([LEFT, RIGHT], found, "all", merge, score_threshold)
    assert chosen.rule == expected
    if score_threshold is not None:
        assert list(chosen.curve) == [score_threshold]


def test_the_mean_over_slices_decides() -> None:
    # The empty slice wants the threshold above 0.6, the others at 0.55 or below.
    truth = {7: labels()} | {image_id: labels(LEFT, RIGHT) for image_id in (8, 9, 10)}
    found = {7: masks((0.6, CORNER), image_id=7)} | {
        image_id: masks((0.9, LEFT), (0.55, RIGHT), image_id=image_id) for image_id in (8, 9, 10)
    }
    few = {image_id: truth[image_id] for image_id in (7, 8)}
    assert choose_rule(few, found, MergeSettings(), "all").rule.score_threshold == 0.9
    assert choose_rule(truth, found, MergeSettings(), "all").rule.score_threshold == 0.55


def test_a_slice_without_predictions_counts_as_nothing_found() -> None:
    truth = {0: labels(LEFT, RIGHT), 1: labels(LEFT, RIGHT), 2: labels()}
    found = {0: masks((0.9, LEFT), (0.9, RIGHT)), 1: SliceMasks.empty(1, SIZE, SIZE)}
    score = mean_score(truth, found, MergeRule())
    assert score.all_pixels == pytest.approx((1 + 0 + 1) / 3)
    assert score.foreground == pytest.approx((1 + 0 + 1) / 3)


def noisy_slice(seed: int) -> tuple[NDArray[np.uint8], SliceMasks]:
    """Return a slice whose masks are displaced, unsure and partly false."""
    rng = np.random.default_rng(seed)
    found = []
    for top, left, bottom, right in [LEFT, RIGHT, CORNER, LEFT_CORE]:
        dy, dx = rng.integers(0, 8, size=2)
        found.append((float(rng.uniform(0.2, 1)), (top + dy, left + dx, bottom, right)))
    return labels(LEFT, RIGHT), masks(*found, image_id=seed)


@pytest.mark.parametrize("metric", ["all", "foreground"])
def test_no_simpler_rule_is_better(metric: Metric) -> None:
    made = {seed: noisy_slice(seed) for seed in range(3)}
    truth = {seed: label_map for seed, (label_map, _) in made.items()}
    found = {seed: one for seed, (_, one) in made.items()}
    chosen = choose_rule(truth, found, MergeSettings(), metric)

    def value(rule: MergeRule) -> float:
        score = mean_score(truth, found, rule)
        return score.all_pixels if metric == "all" else score.foreground

    backgrounds: tuple[Background, ...] = ("keep", "nearest")
    rules = [MergeRule(at / 20, 0, back) for at in range(1, 20) for back in backgrounds]
    assert value(chosen.rule) >= max(map(value, rules))
    # What is reported is what the rule does.
    assert chosen.validation == mean_score(truth, found, chosen.rule)
    assert list(chosen.curve) == [pytest.approx(at / 20) for at in range(1, 20)]
    assert chosen.curve[chosen.rule.score_threshold] == chosen.validation
    one = score_slice(truth[1], merge_masks(found[1], chosen.rule))
    assert mean_score({1: truth[1]}, found, chosen.rule) == one


def test_json_has_the_rule_the_scores_and_the_curve() -> None:
    chosen = choose([LEFT, RIGHT], [(0.9, LEFT), (0.72, RIGHT)], "all")
    plain = json.loads(json.dumps(chosen.as_json(), allow_nan=False))
    assert plain["metric"] == "all"
    assert plain["rule"] == {"score_threshold": 0.7, "min_area": 0, "background": "keep"}
    assert plain["validation"] == {"foreground": 1.0, "all_pixels": 1.0}
    assert [row["score_threshold"] for row in plain["curve"]] == [
        round(at / 20, 2) for at in range(1, 20)
    ]
    assert plain["curve"][-1]["all_pixels"] == 0.0
