"""Settings files of the last release are refused with one line on each key that has moved."""

import re
from pathlib import Path

import pytest

from fewshot.config.leaves import leaves
from fewshot.config.load import load_settings, parse_settings
from fewshot.config.moved_keys import what_became_of
from fewshot.config.semantic_training import SemanticTrainingSettings
from fewshot.config.tree import RunSettings
from fewshot.errors import InputError
from tests.config.release_0_1_0 import FILES, old_keys

KNOWN = {leaf.path.replace("[]", ".0") for leaf in leaves(RunSettings)}
OWN = {leaf.path.replace("[]", ".0") for leaf in leaves(SemanticTrainingSettings)}
WHERE = ", in the settings of fewshot semantic"


@pytest.mark.parametrize("path", [*old_keys()], ids=lambda path: ".".join(map(str, path)))
def test_every_old_key_is_known_or_says_what_became_of_it(path: tuple[int | str, ...]) -> None:
    key = ".".join(map(str, path))

    told = what_became_of(path)

    if key in KNOWN:
        assert not told
        return
    [(named, sentence)] = told
    assert named == key
    new = re.match(rf"is ([\w.]+) now({WHERE})?( \(.+\))?$", sentence)
    assert new is None or new[1] in (OWN if path[0] == "semantic" else KNOWN)
    assert new is not None or re.match(r"is gone: \w.+", sentence)


EVALUATION = "detector.evaluation_period: is training.evaluation_period now"
CHALLENGE = [
    "detector.workers: is training.workers now",
    EVALUATION,
    "detector.checkpoint_period: is training.checkpoint_period now",
]
HEADNECK = [
    "soft_labels.outlines: is soft_labels.mask_source now",
    "soft_labels.views: is soft_labels.tta now",
    "soft_labels.uncertain: is soft_labels.ignore_threshold now",
    "prediction.outlines: is prediction.refine_with now",
]
MOVED = {
    "demo": [EVALUATION],
    "challenge_r50": CHALLENGE,
    "challenge_x101": CHALLENGE,
    "headneck_cpu": HEADNECK,
    "headneck_semantic": [EVALUATION],
}


@pytest.mark.parametrize("name", FILES)
def test_an_old_file_is_refused_with_a_line_for_each_key(name: str, tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(FILES[name], encoding="utf-8")

    with pytest.raises(InputError) as error:
        load_settings(path)

    assert str(error.value).splitlines() == [f"{path}: {line}" for line in MOVED[name]]


def test_old_keys_of_overrides_are_refused_alike(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(FILES["headneck_cpu"], encoding="utf-8")

    with pytest.raises(InputError) as error:
        load_settings(path, ["radiologists.net.model.consistency.sure=0.8", "live.images=2"])

    assert {
        f"{path}: radiologists.1.model.consistency.sure: is "
        "radiologists.1.model.consistency.confidence_threshold now",
        f"{path}: live.images: is logging.images now",
    } < set(str(error.value).splitlines())


@pytest.mark.parametrize(
    ("tree", "lines"),
    [
        ({"live": {}}, ["live: is logging now"]),
        ({"live": 3}, ["live: is logging now"]),
        ({"live": {"nonsense": 1}}, ["live.nonsense: is logging.nonsense now"]),
        (
            {"soft_labels": {"quota": True}},
            ["soft_labels.quota: is experimental.max_masks_per_slice now (true is auto)"],
        ),
        (
            {"semantic": {"iterations": 9, "model": {"device": "cpu", "network": "pan"}}},
            [
                f"semantic.iterations: is iterations now{WHERE}",
                f"semantic.model.device: is device now{WHERE}",
                f"semantic.model.network: is model.network now{WHERE}",
            ],
        ),
        ({"semantic": {}}, [f"semantic: is a file of its own now{WHERE}"]),
        (
            {"detector": {"recovery": {"retries": 2}, "workers": 4}},
            [
                "detector.recovery.retries: is training.nan_retries now",
                "detector.workers: is training.workers now",
            ],
        ),
        (
            {"soft_labels": {"teacher": {"renew": True}}},
            [
                "soft_labels.teacher.renew: is gone: renewing soft labels during training made "
                "results worse"
            ],
        ),
        # Not an old key at this place, and one that never was.
        ({"detector": {"consistency": {"sure": 0.5}}}, None),
        ({"prediction": {"outline": "net"}}, None),
    ],
)
def test_lines_say_where_the_value_belongs_now(
    tree: dict[str, object], lines: list[str] | None
) -> None:
    with pytest.raises(InputError) as error:
        parse_settings({"data": {"phantom": {}}, **tree})

    found = str(error.value).splitlines()
    if lines is None:
        assert ["unknown key" in line for line in found] == [True]
    else:
        assert found == [f"settings: {line}" for line in lines]
