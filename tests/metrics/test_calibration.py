"""Calibration: where the good rules are plain to see, the middle one of them is found.

Thresholds are tried from 0.05 to 0.95 in steps of 0.05, so the nth is n / 20; of an even number
the middle is the upper of the two in the middle.
"""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.config.base import Metric
from fewshot.config.tree import MergeSettings
from fewshot.errors import InputError
from fewshot.masks.merge import Background, MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import boxes, encode
from fewshot.metrics.calibration import Calibration, choose_rule, slice_scores
from fewshot.metrics.rand import RandScore, score_slice

SIZE = 100  # so that the areas tried are those below
AREAS = (0, 5, 10, 20, 40)  # pixels
THRESHOLDS = tuple(nth / 20 for nth in range(1, 20))

Box = tuple[int, int, int, int]  # top, left, bottom, right
Found = list[tuple[float, Box]]  # scores and masks
LEFT, RIGHT = (20, 10, 80, 45), (20, 55, 80, 90)
LEFT_CORE, RIGHT_CORE = (25, 14, 75, 41), (25, 59, 75, 86)
CORNER, TOP = (0, 0, 15, 15), (0, 30, 15, 70)
NODE, DUCT = (90, 10, 93, 14), (90, 30, 95, 36)  # true regions of 12 and 30 pixels
SPECK = (40, 20, 42, 24)  # eight pixels of LEFT
STRAY = (90, 90, 92, 94)  # eight pixels of background


def area_of(box: Box, size: int = SIZE) -> NDArray[np.bool_]:
    mask = np.zeros((size, size), dtype=bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


def mean_score(
    truth: dict[int, NDArray[np.uint8]], found: dict[int, SliceMasks], rule: MergeRule
) -> RandScore:
    scores = slice_scores(truth, found, rule)
    foreground = float(np.mean([one.foreground for one in scores]))
    return RandScore(foreground, float(np.mean([one.all_pixels for one in scores])))


def labels(*regions: Box, size: int = SIZE) -> NDArray[np.uint8]:
    label_map = np.zeros((size, size), dtype=np.uint8)
    for label, region in enumerate(regions, start=1):
        label_map[area_of(region, size)] = label
    return label_map


def masks(*scored: tuple[float, Box], image_id: int = 0, size: int = SIZE) -> SliceMasks:
    rles = tuple(encode(area_of(region, size)) for _, region in scored)
    scores = np.array([score for score, _ in scored], dtype=np.float32)
    return SliceMasks(image_id, size, size, scores, boxes(rles), rles, ("final",) * len(rles))


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


def value_of(score: RandScore, metric: Metric) -> float:
    return score.all_pixels if metric == "all" else score.foreground


def thresholds_between(low: float, high: float) -> list[float]:
    return [at for at in THRESHOLDS if low <= at <= high]


@pytest.mark.parametrize(
    ("regions", "found", "metric", "good", "areas", "expected"),
    [
        # `good`: the lowest and the highest threshold that score best, `areas`: those that do. One
        # slice has no standard error, so nothing less than the best is good.
        #
        # Both are found up to 0.70, 14 thresholds: the middle is the 8th. All five areas keep both:
        # the middle is the third, 10 pixels.
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.72, RIGHT)],
            "all",
            (0.05, 0.7),
            AREAS,
            MergeRule(0.4, 10),
        ),
        # The foreground needs one region less, as what is left over is a region by itself: two of
        # three are found up to 0.80, 16 thresholds, the middle is the 9th.
        (
            [LEFT, RIGHT, TOP],
            [(0.9, LEFT), (0.81, RIGHT), (0.72, TOP)],
            "foreground",
            (0.05, 0.8),
            AREAS,
            MergeRule(0.45, 10),
        ),
        # One of two is found up to 0.90, 18 thresholds, the middle is the 10th.
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.72, RIGHT)],
            "foreground",
            (0.05, 0.9),
            AREAS,
            MergeRule(0.5, 10),
        ),
        # A threshold holds the score that equals it: again 14 thresholds.
        ([LEFT, RIGHT], [(0.9, LEFT), (0.7, RIGHT)], "all", (0.05, 0.7), AREAS, MergeRule(0.4, 10)),
        # A true mask of low score is worth lowering the threshold for: two thresholds, the upper.
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.12, RIGHT)],
            "all",
            (0.05, 0.1),
            AREAS,
            MergeRule(0.1, 10),
        ),
        # Three thresholds: the one in the middle.
        (
            [LEFT, RIGHT, TOP],
            [(0.9, LEFT), (0.16, RIGHT), (0.04, TOP)],
            "foreground",
            (0.05, 0.15),
            AREAS,
            MergeRule(0.1, 10),
        ),
        # A false mask is worth raising it for: 0.65, 0.70, 0.75 and 0.80, the upper middle.
        ([LEFT], [(0.8, LEFT), (0.6, CORNER)], "all", (0.65, 0.8), AREAS, MergeRule(0.75, 10)),
        # A single good threshold is the middle one.
        (
            [LEFT, RIGHT],
            [(0.5, LEFT), (0.5, RIGHT), (0.46, CORNER)],
            "all",
            (0.5, 0.5),
            AREAS,
            MergeRule(0.5, 10),
        ),
        # Nothing to find: above the false mask are 0.85, 0.90 and 0.95.
        ([], [(0.83, CORNER)], "all", (0.85, 0.95), AREAS, MergeRule(0.9, 10)),
        # FACTS of the metric: too small masks are filled up for the foreground only. They are
        # there up to 0.90, 18 thresholds, the middle is the 10th.
        (
            [LEFT, RIGHT],
            [(0.9, LEFT_CORE), (0.9, RIGHT_CORE)],
            "all",
            (0.05, 0.9),
            AREAS,
            MergeRule(0.5, 10, "keep"),
        ),
        (
            [LEFT, RIGHT],
            [(0.9, LEFT_CORE), (0.9, RIGHT_CORE)],
            "foreground",
            (0.05, 0.9),
            AREAS,
            MergeRule(0.5, 10, "nearest"),
        ),
        # Confident specks of 8 pixels: three areas drop them, and the middle of the three is 20.
        # On the background they harm one metric only, in a region both.
        (
            [LEFT],
            [(0.9, LEFT), (0.96, STRAY)],
            "all",
            (0.05, 0.9),
            (10, 20, 40),
            MergeRule(0.5, 20),
        ),
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.9, RIGHT), (0.96, STRAY)],
            "foreground",
            (0.05, 0.9),
            AREAS,
            MergeRule(0.5, 10),
        ),
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.9, RIGHT), (0.96, SPECK)],
            "all",
            (0.05, 0.9),
            (10, 20, 40),
            MergeRule(0.5, 20),
        ),
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.9, RIGHT), (0.96, SPECK)],
            "foreground",
            (0.05, 0.9),
            (10, 20, 40),
            MergeRule(0.5, 20),
        ),
        # A true region of 12 pixels outlives three areas, of which 5 is the middle.
        (
            [LEFT, NODE],
            [(0.9, LEFT), (0.9, NODE)],
            "all",
            (0.05, 0.9),
            (0, 5, 10),
            MergeRule(0.5, 5),
        ),
        # Between a speck of 8 pixels and a true region of 30 lie two areas: the upper, 20.
        (
            [LEFT, DUCT],
            [(0.9, LEFT), (0.9, DUCT), (0.96, STRAY)],
            "all",
            (0.05, 0.9),
            (10, 20),
            MergeRule(0.5, 20),
        ),
        # A stray is put up with for a region's sake, then the area drops it: up to 0.30 are six
        # thresholds, the middle is the 4th.
        (
            [LEFT, RIGHT],
            [(0.9, LEFT), (0.3, RIGHT), (0.5, STRAY)],
            "all",
            (0.05, 0.3),
            (10, 20, 40),
            MergeRule(0.2, 20),
        ),
        # No masks at all: all 19 thresholds score the same, the middle is the 10th.
        ([LEFT, RIGHT], [], "all", (0.05, 0.95), AREAS, MergeRule(0.5, 10)),
    ],
)
def test_the_middle_of_the_best_rules(
    regions: list[Box],
    found: Found,
    metric: Metric,
    good: tuple[float, float],
    areas: tuple[int, ...],
    expected: MergeRule,
) -> None:
    chosen = choose(regions, found, metric)
    assert chosen.rule == expected
    # The row's plateaus are what it says they are.
    best = value_of(chosen.validation, metric)
    curve = {at: value_of(score, metric) for at, score in chosen.curve.items()}
    assert max(curve.values()) == best
    assert [at for at, one in curve.items() if one == best] == thresholds_between(*good)
    by_area = {
        area: value_of(score_slice(labels(*regions), merge_masks(masks(*found), rule)), metric)
        for area in AREAS
        for rule in [replace(expected, min_area=area)]
    }
    assert max(by_area.values()) == best
    assert tuple(area for area, one in by_area.items() if one == best) == areas


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
        # Nothing is fixed: both regions are there up to 0.90, 18 thresholds, the middle is the
        # 10th; areas 10, 20 and 40 drop the stray, the middle is 20.
        (MergeSettings(), None, MergeRule(0.5, 20, "keep")),
        # Then each is fixed, also against what is better, and the rest still chosen.
        (MergeSettings(background="keep"), None, MergeRule(0.5, 20, "keep")),
        (MergeSettings(min_area=7), None, MergeRule(0.5, 7, "keep")),
        (MergeSettings(min_area=0), None, MergeRule(0.5, 0, "keep")),
        (MergeSettings(), 0.63, MergeRule(0.63, 20, "keep")),
        # A fill spreads the stray over its corner, unless the area drops it.
        (MergeSettings(background="nearest"), 0.63, MergeRule(0.63, 20, "nearest")),
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


# Slices of LEFT and RIGHT, by what they have to say on the threshold.
FLAT: Found = [(0.92, LEFT), (0.92, RIGHT)]  # whole up to 0.90
LOW: Found = [(0.92, LEFT), (0.32, RIGHT)]  # whole up to 0.30, then half is lost
HIGH: Found = [*FLAT, (0.72, CORNER)]  # whole from 0.75 to 0.90, below with a false mask
HIGHER: Found = [*FLAT, (0.72, TOP)]  # likewise with a larger one
PEAK: Found = [*FLAT, (0.87, CORNER)]  # whole at 0.90 only


@pytest.mark.parametrize(
    ("slices", "best", "good", "expected"),
    [
        # `best`: the thresholds of the highest mean, `good`: those within one standard error. For
        # n differences d from the best, sum(d) / n is within sqrt(variance / n) just where
        # sum(d) ** 2 <= sum(d ** 2): true of one difference alone, of any size among any number of
        # slices, and false of two or more that are all losses. 0.95 loses every slice, by the
        # same: never good.
        #
        # A flat curve of 18 good thresholds, the middle is the 10th.
        ([FLAT] * 5, (0.05, 0.9), (0.05, 0.9), 0.5),
        # One slice lifts one end of it: an accident, all 18 stay good.
        ([PEAK] + [FLAT] * 4, (0.9, 0.9), (0.05, 0.9), 0.5),
        ([FLAT] * 4 + [HIGH], (0.75, 0.9), (0.05, 0.9), 0.5),
        ([FLAT] * 2 + [LOW] + [FLAT] * 2, (0.05, 0.3), (0.05, 0.9), 0.5),
        # So it is with any number of slices beyond one.
        ([LOW, FLAT], (0.05, 0.3), (0.05, 0.9), 0.5),
        ([LOW] + [FLAT] * 2, (0.05, 0.3), (0.05, 0.9), 0.5),
        ([LOW] + [FLAT] * 3, (0.05, 0.3), (0.05, 0.9), 0.5),
        ([LOW] + [FLAT] * 7, (0.05, 0.3), (0.05, 0.9), 0.5),
        ([LOW] + [FLAT] * 8, (0.05, 0.3), (0.05, 0.9), 0.5),
        ([HIGH, FLAT], (0.75, 0.9), (0.05, 0.9), 0.5),
        ([HIGH] + [FLAT] * 7, (0.75, 0.9), (0.05, 0.9), 0.5),
        # Accidents at both ends, the low one larger: in between, one slice is lost, and at the
        # high end the same one while others gain. Either way the sum is no more than that loss.
        ([LOW, PEAK] + [FLAT] * 3, (0.05, 0.3), (0.05, 0.9), 0.5),
        ([LOW, HIGH], (0.05, 0.3), (0.05, 0.9), 0.5),
        ([LOW, HIGH, HIGH], (0.05, 0.3), (0.05, 0.9), 0.5),
        # One slice only: it is all there is, so its best is the best. Up to 0.30 are six, the
        # middle is the 4th; from 0.75 four, the middle is 0.85.
        ([LOW], (0.05, 0.3), (0.05, 0.3), 0.2),
        ([HIGH], (0.75, 0.9), (0.75, 0.9), 0.85),
        ([PEAK], (0.9, 0.9), (0.9, 0.9), 0.9),
        # Two slices or more that agree are no accident: the same six and four thresholds.
        ([LOW] * 2, (0.05, 0.3), (0.05, 0.3), 0.2),
        ([LOW] * 2 + [FLAT], (0.05, 0.3), (0.05, 0.3), 0.2),
        ([LOW] * 2 + [FLAT] * 3, (0.05, 0.3), (0.05, 0.3), 0.2),
        ([LOW] * 2 + [FLAT] * 7, (0.05, 0.3), (0.05, 0.3), 0.2),
        ([HIGH] * 2 + [FLAT] * 3, (0.75, 0.9), (0.75, 0.9), 0.85),
        ([HIGH] * 5, (0.75, 0.9), (0.75, 0.9), 0.85),
        ([PEAK] * 2 + [FLAT] * 3, (0.9, 0.9), (0.9, 0.9), 0.9),
        # Even where they gain by different amounts.
        ([HIGH, HIGHER] + [FLAT] * 3, (0.75, 0.9), (0.75, 0.9), 0.85),
        ([HIGH, HIGHER] * 2 + [FLAT], (0.75, 0.9), (0.75, 0.9), 0.85),
        # Those that gain much outweigh those that lose little: HIGH and HIGHER lose 0.05 and 0.13
        # where LOW gains 0.46, and (2 * 0.46 - 0.18) ** 2 > 2 * 0.46 ** 2 + 0.05 ** 2 + 0.13 ** 2.
        ([LOW] * 4 + [HIGH], (0.05, 0.3), (0.05, 0.3), 0.2),
        ([LOW] * 2 + [HIGH, HIGHER], (0.05, 0.3), (0.05, 0.3), 0.2),
    ],
)
def test_an_accident_on_one_slice_is_not_followed(
    slices: list[Found], best: tuple[float, float], good: tuple[float, float], expected: float
) -> None:
    truth = {place: labels(LEFT, RIGHT) for place in range(len(slices))}
    predictions = {place: masks(*found, image_id=place) for place, found in enumerate(slices)}
    chosen = choose_rule(truth, predictions, MergeSettings(), "all")
    middle = thresholds_between(*good)
    assert chosen.rule == MergeRule(expected, 10, "keep")
    assert expected == middle[len(middle) // 2]
    highest = max(score.all_pixels for score in chosen.curve.values())
    at_best = [at for at, score in chosen.curve.items() if score.all_pixels > highest - 1e-12]
    assert at_best == thresholds_between(*best)


def noisy_slice(seed: int) -> tuple[NDArray[np.uint8], SliceMasks]:
    """Return a slice whose masks are displaced, unsure and partly false."""
    rng = np.random.default_rng(seed)
    found = []
    for top, left, bottom, right in [LEFT, RIGHT, CORNER, LEFT_CORE]:
        dy, dx = rng.integers(0, 8, size=2)
        found.append((float(rng.uniform(0.2, 1)), (top + dy, left + dx, bottom, right)))
    found += [(float(rng.uniform(0.2, 1)), STRAY)] if seed % 2 else []
    return labels(LEFT, RIGHT), masks(*found, image_id=seed)


def noisy_slices(
    seeds: Sequence[int],
) -> tuple[dict[int, NDArray[np.uint8]], dict[int, SliceMasks]]:
    made = {seed: noisy_slice(seed) for seed in seeds}
    return {seed: one for seed, (one, _) in made.items()}, {
        seed: one for seed, (_, one) in made.items()
    }


def middle_of_the_good(rows: Sequence[list[float]]) -> int:
    """Return the place of the middle row of those within one standard error of the best."""
    best = max(rows, key=statistics.fmean)
    good = []
    for place, row in enumerate(rows):
        losses = [one - other for one, other in zip(best, row, strict=True)]
        error = statistics.stdev(losses) / math.sqrt(len(losses))
        if statistics.fmean(losses) <= error + 1e-9:
            good.append(place)
    return good[len(good) // 2]


@pytest.mark.parametrize("metric", ["all", "foreground"])
@pytest.mark.parametrize("seeds", [range(2), range(3), range(2, 7), range(7, 15)])
def test_several_slices_are_weighed_by_their_standard_error(
    seeds: Sequence[int], metric: Metric
) -> None:
    truth, found = noisy_slices(seeds)

    def row(rule: MergeRule) -> list[float]:
        return [value_of(one, metric) for one in slice_scores(truth, found, rule)]

    rule = choose_rule(truth, found, MergeSettings(), metric).rule
    rows = [row(replace(rule, score_threshold=at)) for at in THRESHOLDS]
    assert rule.score_threshold == THRESHOLDS[middle_of_the_good(rows)]

    rule = choose_rule(truth, found, MergeSettings(), metric, score_threshold=0.4).rule
    rows = [row(replace(rule, min_area=area)) for area in AREAS]
    assert rule.min_area == AREAS[middle_of_the_good(rows)]


@pytest.mark.parametrize("metric", ["all", "foreground"])
@pytest.mark.parametrize("seed", range(4))
def test_of_one_slice_no_simpler_rule_is_better(seed: int, metric: Metric) -> None:
    truth, found = noisy_slices([seed])
    chosen = choose_rule(truth, found, MergeSettings(), metric)
    backgrounds: tuple[Background, ...] = ("keep", "nearest")
    rules = [MergeRule(at, 0, background) for at in THRESHOLDS for background in backgrounds]
    values = [value_of(mean_score(truth, found, rule), metric) for rule in rules]
    assert value_of(chosen.validation, metric) >= max(values)


@pytest.mark.parametrize("metric", ["all", "foreground"])
def test_what_is_reported_is_what_the_rule_does(metric: Metric) -> None:
    truth, found = noisy_slices(range(3))
    chosen = choose_rule(truth, found, MergeSettings(), metric)
    assert chosen.metric == metric
    assert chosen.validation == mean_score(truth, found, chosen.rule)
    assert tuple(chosen.curve) == THRESHOLDS
    for at, score in chosen.curve.items():
        assert score == mean_score(truth, found, replace(chosen.rule, score_threshold=at))


@pytest.mark.parametrize("metric", ["all", "foreground"])
@pytest.mark.parametrize(
    "order", [(3, 4, 5, 6, 7), (7, 6, 5, 4, 3), (5, 3, 7, 4, 6), (4, 7, 3, 6, 5), (6, 5, 3, 7, 4)]
)
def test_the_order_of_slices_does_not_matter(order: tuple[int, ...], metric: Metric) -> None:
    # The slice of another size would give other areas to try if it came first.
    truth, found = noisy_slices(range(3, 7))
    truth[7] = labels(LEFT, RIGHT, size=200)
    found[7] = masks((0.8, LEFT), (0.6, RIGHT), (0.7, STRAY), image_id=7, size=200)
    chosen = choose_rule(
        {image_id: truth[image_id] for image_id in order},
        {image_id: found[image_id] for image_id in reversed(order)},
        MergeSettings(),
        metric,
    )
    assert chosen == choose_rule(truth, found, MergeSettings(), metric)
    assert chosen.rule.min_area in AREAS


@pytest.mark.parametrize("score_threshold", [None, 0.5])
def test_no_slices_are_refused(score_threshold: float | None) -> None:
    found = {0: masks((0.9, LEFT))}
    with pytest.raises(InputError, match="no validation slices"):
        choose_rule({}, found, MergeSettings(), "all", score_threshold)


def test_slices_are_scored_in_the_order_of_the_truth() -> None:
    # Of 3 nothing was predicted, of 2 an empty list, which its truth agrees with; 9 has no truth.
    truth = {3: labels(LEFT, RIGHT), 1: labels(LEFT, RIGHT), 2: labels()}
    found = {
        9: masks((0.9, TOP), image_id=9),
        2: SliceMasks.empty(2, SIZE, SIZE),
        1: masks((0.9, LEFT), (0.9, RIGHT), image_id=1),
    }
    right, wrong = RandScore(1.0, 1.0), RandScore(0.0, 0.0)
    assert slice_scores(truth, found, MergeRule()) == [wrong, right, right]


def test_json_has_the_rule_the_scores_and_the_curve() -> None:
    # The first row of the first table.
    chosen = choose([LEFT, RIGHT], [(0.9, LEFT), (0.72, RIGHT)], "all")
    plain = json.loads(json.dumps(chosen.as_json(), allow_nan=False))
    assert plain["metric"] == "all"
    assert plain["rule"] == {"score_threshold": 0.4, "min_area": 10, "background": "keep"}
    assert plain["validation"] == {"foreground": 1.0, "all_pixels": 1.0}
    assert [row["score_threshold"] for row in plain["curve"]] == list(THRESHOLDS)
    assert plain["curve"][-1]["all_pixels"] == 0.0
