"""What a training of a semantic network is, and the network it starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import TrainingSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet
from fewshot.semantic.networks import SemanticNetwork
from fewshot.semantic.weights import encoder_file, start_network
from fewshot.training.checkpoints import load_checkpoint
from fewshot.training.identity import digest_of, job_digest
from fewshot.training.sampling import TrainingSource


@dataclass(frozen=True)
class SemanticJob:
    """Everything that decides what a training yields.

    Attributes:
        name: the model's name; becomes the source of its predictions.
        sources: the slices to train on; none `renewed`, which only detectors can be.
        validation: labelled slices that are only looked at.
        settings, schedule: what is trained, how fast and how long.
        seed: of the weights' start, the order of samples and their augmentation.
        weights: `model.pth` of a model of the same settings to start from.
        unlabelled: slices for `settings.consistency`; their masks, if any, are not looked at.
        preprocess: what is done to every slice first, here and wherever the model predicts.
    """

    name: str
    sources: Sequence[TrainingSource]
    validation: SliceSet
    settings: SemanticSettings
    schedule: TrainingSettings
    seed: int
    weights: Path | None = None
    unlabelled: SliceSet | None = None
    preprocess: PreprocessSettings = AS_READ

    def key(self) -> str:
        """Return a digest of all that decides the course of a training."""
        aside = {"workers", "evaluation_period", "checkpoint_period", "regions", "device"}
        weights = self.settings.weights
        parts = [
            self.name,
            self.seed,
            self.schedule.model_dump(include={"learning_rate", "iterations"}),
            self.settings.model_dump(mode="json", exclude=aside),
            None if weights == "none" else digest_of(encoder_file(self.settings)),
            self.preprocess.model_dump(mode="json"),
            None if self.weights is None else digest_of(self.weights),
        ]
        more = [] if self.unlabelled is None else [TrainingSource(self.unlabelled)]
        return job_digest(
            parts, [*self.sources, *more], self.validation, "fewshot.semantic.training"
        )


def starting_network(job: SemanticJob) -> SemanticNetwork:
    """Return the network of a job as it is before the first iteration.

    Raises `InputError` when the encoder, its weights or the job's cannot be used.
    """
    network = start_network(job.settings)
    if job.weights is not None:
        try:
            network.load_state_dict(load_checkpoint(job.weights)["model"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise InputError(
                f"{job.weights}: does not fit {job.name}; start from a model of the same settings"
            ) from error
    return network
