"""Soft-labelling as a stage, with two miniature radiologists."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewshot.config.load import parse_settings
from fewshot.config.tree import PredictionSettings, RunSettings, ViewSettings
from fewshot.errors import InputError
from fewshot.files import write_json
from fewshot.masks.coco import SliceSet, read_coco, write_coco
from fewshot.pipeline.prediction import predict
from fewshot.pipeline.soft_labelling import SoftLabelling, make_soft_labels
from fewshot.pipeline.training import PlannedTraining, train_model

pytestmark = pytest.mark.slow

THRESHOLDS = {"rough": 0.06, "fine": 0.99}


@pytest.fixture
def what(job: PlannedTraining, tmp_path: Path) -> SoftLabelling:
    """Two radiologists, of which one reads twice as much as the other."""
    models = {name: tmp_path / name for name in THRESHOLDS}
    for seed, (name, folder) in enumerate(models.items()):
        own = replace(job.job, name=name, seed=seed)
        train_model(replace(job, job=own), folder)
    write_json(tmp_path / "weights.json", {"weights": {"rough": 2 / 3, "fine": 1 / 3}})
    return SoftLabelling(tmp_path, models, tmp_path / "weights.json")


def settings(experimental: dict[str, Any] | None = None, **soft_labels: Any) -> RunSettings:
    radiologists = [
        {"name": name, "score_threshold": threshold} for name, threshold in THRESHOLDS.items()
    ]
    return parse_settings(
        {
            "data": {"phantom": {}},
            "radiologists": radiologists,
            "soft_labels": soft_labels,
            "experimental": experimental or {},
            "device": "cpu",
        }
    )


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_each_radiologist_labels_its_share(
    what: SoftLabelling, miniature: SliceSet, tmp_path: Path
) -> None:
    make_soft_labels(what, settings(), tmp_path / "soft")
    soft = read_coco(tmp_path / "soft" / "annotations.json")
    shares = read(tmp_path / "soft", "assignment.json")
    audit = read(tmp_path / "soft", "audit.json")
    assert {name: len(share) for name, share in shares.items()} == {"rough": 4, "fine": 2}
    assert sorted(shares["rough"] + shares["fine"]) == list(range(6))
    for name, share in shares.items():
        for image_id in share:
            masks = soft.masks_of(image_id)
            assert set(masks.sources) <= {name}
            assert (masks.scores >= np.float32(THRESHOLDS[name])).all()
    assert audit["slices"] == len(soft) == 6
    assert audit["masks"] == sum(len(soft.masks_of(record.image_id)) for record in soft.records)
    assert {name: one["threshold"] for name, one in audit["reliability"].items()} == THRESHOLDS
    assert not read_coco(tmp_path / "soft" / "uncertain.json").masks

    # The same model asked directly: thresholds are the only difference.
    target = tmp_path / "predictions.json"
    predict([what.models["rough"]], miniature, target, device="cpu")
    predicted = read_coco(target)
    assert predicted.records == miniature.records
    for image_id in shares["rough"]:
        kept = predicted.masks_of(image_id).above(0.06)
        assert kept.rles == soft.masks_of(image_id).rles

    # No unlabelled slices at all are no soft labels, and no error.
    write_coco(tmp_path / "unlabelled.json", miniature.subset([]), "none")
    make_soft_labels(what, settings(), tmp_path / "nothing")
    assert len(read_coco(tmp_path / "nothing" / "annotations.json")) == 0

    only_rough = replace(what, models={"rough": what.models["rough"]})
    with pytest.raises(InputError, match=r"weights\.json: .*'fine' is either in this file or"):
        make_soft_labels(only_rough, settings(), tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_all_vote_and_the_rest_is_split_by_thresholds_and_numbers(
    what: SoftLabelling, miniature: SliceSet, tmp_path: Path
) -> None:
    vote: dict[str, Any] = {
        "assignment": "vote",
        "vote_threshold": 0.06,
        "ignore_threshold": 0.05,
    }
    make_soft_labels(what, settings(**vote), tmp_path / "vote")
    soft = read_coco(tmp_path / "vote" / "annotations.json")
    unsure = read_coco(tmp_path / "vote" / "uncertain.json")
    assert read(tmp_path / "vote", "assignment.json") == {"vote": list(range(6))}

    # What the two say together when they are asked directly, split at the two thresholds.
    target, views = tmp_path / "together.json", PredictionSettings()
    weights = {"rough": 2 / 3, "fine": 1 / 3}
    predict(list(what.models.values()), miniature, target, views, "cpu", weights)
    together = read_coco(target)
    for image_id in range(6):
        scores = together.masks_of(image_id).scores
        sure = scores[scores >= np.float32(0.06)]
        assert soft.masks_of(image_id).scores.tolist() == sure.tolist()
        between = (scores >= np.float32(0.05)) & (scores < np.float32(0.06))
        assert len(unsure.masks_of(image_id)) == between.sum()

    make_soft_labels(what, settings({"max_masks_per_slice": "auto"}, **vote), tmp_path / "fewer")
    most = max(len(miniature.masks_of(image_id)) for image_id in (0, 1, 5))
    fewer = read_coco(tmp_path / "fewer" / "annotations.json")
    assert any(len(soft.masks_of(image_id)) > most for image_id in range(6))
    for image_id in range(6):
        kept = fewer.masks_of(image_id)
        assert len(kept) == min(most, len(soft.masks_of(image_id)))


def test_a_threshold_may_be_a_precision(what: SoftLabelling, tmp_path: Path) -> None:
    """So early in training nearly no mask is right, and no score is reliable enough."""
    sure = settings({"precision_thresholds": True}, assignment="vote", vote_threshold=0.9)
    make_soft_labels(what, sure, tmp_path / "sure")
    reliability = read(tmp_path / "sure", "audit.json")["reliability"]["vote"]
    assert max(reliability["precision"], default=0) < 0.9
    assert reliability["threshold"] is None
    assert read(tmp_path / "sure", "audit.json")["masks"] == 0


def test_views_vote(what: SoftLabelling, miniature: SliceSet, tmp_path: Path) -> None:
    both = PredictionSettings(tta=(ViewSettings(), ViewSettings(flip=True)))
    model = [what.models["rough"]]
    predict(model, miniature, tmp_path / "plain.json", device="cpu")
    predict(model, miniature, tmp_path / "both.json", both, "cpu")
    plain, voted = (read_coco(tmp_path / f"{name}.json") for name in ("plain", "both"))
    assert any(plain.masks_of(i).rles != voted.masks_of(i).rles for i in range(6))
    assert {source for i in range(6) for source in voted.masks_of(i).sources} == {"rough"}
