"""Means over slices, and what is kept of them in JSON."""

import pytest

from fewshot.errors import InputError
from fewshot.metrics.scores import Scores
from fewshot.metrics.slice_metrics import METRICS


def slices(*values: float) -> dict[str, dict[str, float]]:
    return {f"{place}.png": dict.fromkeys(METRICS, value) for place, value in enumerate(values)}


def test_means_are_over_slices_and_intervals_over_patients() -> None:
    scores = Scores.of(slices(0, 1, 1), {"0.png": "a", "1.png": "b", "2.png": "b"})
    assert scores.mean("dice") == pytest.approx(2 / 3)
    # Two patients: of each draw both, or either twice.
    assert scores.means["missed"].interval == (0, 1)
    assert (scores.images, scores.by_patient) == (3, True)
    assert scores.of_images("ari_all") == {"0.png": 0, "1.png": 1, "2.png": 1}
    assert not Scores.of(slices(0, 1)).by_patient


def test_no_slice_has_no_mean() -> None:
    with pytest.raises(InputError, match="no slice to average"):
        Scores.of({})


@pytest.mark.parametrize("values", [(0.5,), (0.25, 0.5, 1)])
def test_json_keeps_means_and_intervals(values: tuple[float, ...]) -> None:
    scores = Scores.of(slices(*values))
    read = Scores.from_json(scores.as_json())
    assert (read.means, read.images, read.by_patient) == (scores.means, scores.images, False)


def test_metrics_that_a_file_does_not_know_are_left_out() -> None:
    read = Scores.from_json({"ari_all": 0.5, "other": 1, "images": 3})
    assert list(read.means) == ["ari_all"]
    assert read.means["ari_all"].interval is None
