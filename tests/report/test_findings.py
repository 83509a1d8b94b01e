import pytest

from fewshot.masks.merge import MergeRule
from fewshot.metrics.bootstrap import PairedDifference
from fewshot.report.findings import Finding, Indices, findings, rule_in_words


def rows(**scores: float) -> dict[str, Indices]:
    return {name: {"all": score, "foreground": score} for name, score in scores.items()}


@pytest.mark.parametrize(
    ("scores", "mark", "text"),
    [
        ({"final": 0.7, "control": 0.6}, "better", "It beats its control, "),
        ({"final": 0.6, "control": 0.7}, "worse", "It does not beat its control, "),
        # What is shown the same is called the same.
        ({"final": 0.6004, "control": 0.6001}, "even", "It scores the same as its control, "),
        ({"final": 0.6}, "unknown", "No control (the same training"),
        ({"control": 0.6}, "unknown", "The final model has no score."),
    ],
)
def test_control_decides_whether_soft_labels_paid(
    scores: dict[str, float], mark: str, text: str
) -> None:
    first = findings(rows(**scores), "all")[0]
    assert first.mark == mark
    assert first.text.startswith(text)


@pytest.mark.parametrize(
    ("final", "low", "high", "mark", "text"),
    [
        (0.7, 0.05, 0.15, "better", "The soft labels paid in this run (95 % interval"),
        (
            0.7,
            -0.05,
            0.25,
            "even",
            "But that may be chance (95 % interval of the difference over 9",
        ),
        (0.5, -0.15, -0.05, "worse", "The soft labels did not pay in this run (95 % interval"),
        (0.5, -0.25, 0.05, "worse", "The soft labels did not pay in this run (95 % interval"),
    ],
)
def test_interval_tells_chance_from_success(
    final: float, low: float, high: float, mark: str, text: str
) -> None:
    scores = rows(final=final, control=0.6)
    found = findings(scores, "all", interval=PairedDifference((low + high) / 2, low, high, 9))[0]
    assert found.mark == mark
    assert text in found.text


def test_other_variant_is_named_when_it_disagrees() -> None:
    scores: dict[str, Indices] = {
        "final": {"all": 0.1, "foreground": 0.7},
        "control": {"all": 0.5, "foreground": 0.6},
    }
    by_foreground, by_all = findings(scores, "foreground")[0], findings(scores, "all")[0]
    assert "all pixels, it is the other way round: 0.100 against 0.500." in by_foreground.text
    assert "foreground pixels, it is the other way round: 0.700 against 0.600." in by_all.text


def test_without_soft_labels_nothing_is_claimed_of_them() -> None:
    found = findings(rows(final=0.6, control=0.6), "all", soft_masks=0)
    assert found[0].mark == "unknown"
    assert "No soft label was kept" in found[0].text


@pytest.mark.parametrize(
    ("radiologists", "finding"),
    [
        (
            {"rough": 0.5, "fine": 0.6},
            Finding("better", "It beats every radiologist; the best of them, fine, scores 0.600."),
        ),
        (
            {"rough": 0.5, "fine": 0.8},
            Finding(
                "worse",
                "It does not beat every radiologist: fine (0.800) scores as much or more.",
            ),
        ),
        (
            {"rough": 0.7, "fine": 0.7},
            Finding(
                "even",
                "It does not beat any radiologist: rough (0.700) and fine (0.700) score as much or "
                "more.",
            ),
        ),
    ],
)
def test_radiologists_are_compared(radiologists: dict[str, float], finding: Finding) -> None:
    assert findings(rows(final=0.7, **radiologists), "all")[1] == finding


def test_a_twin_stands_beside_the_control_and_is_no_radiologist() -> None:
    beaten = findings(rows(final=0.7, rough=0.6), "all")[1]
    assert findings(rows(final=0.7, rough=0.6, **{"control-net": 0.8}), "all")[1] == beaten


@pytest.mark.parametrize(
    ("watershed", "text"),
    [
        (-0.1, "It beats the watershed baseline, which learns nothing: 0.700 against \u22120.100."),
        (
            0.8,
            "It does not beat the watershed baseline, which learns nothing: 0.700 against 0.800.",
        ),
        (0.7, "It only equals the watershed baseline, which learns nothing: 0.700 against 0.700."),
    ],
)
def test_watershed_is_compared(watershed: float, text: str) -> None:
    assert findings(rows(final=0.7, watershed=watershed), "all")[1].text == text


@pytest.mark.parametrize(
    ("rule", "absent", "present"),
    [
        (MergeRule(0.4, 0, "keep"), "Regions of fewer", "The remaining pixels are background."),
        (MergeRule(0.4, 1, "keep"), "Regions of fewer", "at least 0.4 are laid down"),
        (MergeRule(0.4, 20, "nearest"), "stay background", "Regions of fewer than 20 pixels are"),
        (MergeRule(0.4, 20, "nearest"), "stay background", "takes the nearest region"),
    ],
)
def test_rule_is_put_in_words(rule: MergeRule, absent: str, present: str) -> None:
    assert present in rule_in_words(rule)
    assert absent not in rule_in_words(rule)
