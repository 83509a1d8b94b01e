"""A filter in front of a detector: the identity at first, trained, and kept with the model."""

from pathlib import Path

import torch

from fewshot.config.network import ScheduleSettings
from fewshot.config.tree import AugmentationSettings, DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.data import prediction_sample
from fewshot.detector.prediction import load_detector, predict_slices
from fewshot.detector.training import DetectorTask
from fewshot.masks.coco import SliceSet
from fewshot.training.job import TrainingJob
from fewshot.training.loop import train
from fewshot.training.sampling import TrainingSource


def test_an_untrained_filter_changes_nothing(
    miniature: SliceSet, small_detector: DetectorSettings
) -> None:
    scores = []
    for gafl in (False, True):
        torch.manual_seed(0)
        network = build_network(build_config(small_detector), gafl).eval()
        sample = prediction_sample(miniature, miniature.records[0], None)
        with torch.inference_mode():
            output = network([sample])[0]["instances"]
        scores.append(output.scores)
    assert torch.allclose(scores[0], scores[1], atol=1e-3)


def test_a_filter_is_trained_and_kept_with_its_detector(
    miniature: SliceSet,
    small_detector: DetectorSettings,
    gentle: AugmentationSettings,
    tmp_path: Path,
) -> None:
    job = TrainingJob(
        name="filtered",
        sources=[TrainingSource(miniature)],
        validation=miniature.subset([0, 1]),
        settings=DetectorSettings.model_validate(
            {**small_detector.model_dump(), "experimental": {"gafl": True}}
        ),
        augmentation=gentle,
        schedule=ScheduleSettings(learning_rate=0.001, iterations=2),
        seed=0,
    )
    train(DetectorTask(job), tmp_path)
    detector = load_detector(tmp_path, "cpu")
    assert detector.network.get_parameter("backbone.input_filter.log_weights").abs().max() > 0
    assert len(list(predict_slices(detector, job.validation))) == 2
