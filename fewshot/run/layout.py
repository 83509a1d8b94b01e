"""Where everything lies in a run directory, and what the models of a run are called."""

from collections.abc import Sequence
from pathlib import Path

from fewshot.config.tree import DataSettings, RunSettings
from fewshot.importing import datasets
from fewshot.radiologists import review
from fewshot.run.names import (
    ANNOTATIONS,
    ASSIGNMENT,
    AUDIT,
    CONTROL,
    FINAL,
    REPORT,
    TEST,
    TRAIN,
    UNCERTAIN,
    UNLABELLED,
    VALIDATION,
    WEIGHTS,
)


class RunLayout:
    """The paths of what the stages of a run leave, given its settings and its directory."""

    def __init__(self, settings: RunSettings, root: Path) -> None:
        self.settings = settings
        self.root = root
        self.phantom = root / "phantom"
        self.data = root / "data"
        self.train = self.data / TRAIN
        self.validation = self.data / VALIDATION
        self.unlabelled = self.data / UNLABELLED
        self.test = self.data / TEST
        self.weights = root / "weights" / WEIGHTS
        self.soft_labels = root / "soft_labels" / ANNOTATIONS
        self.uncertain = root / "soft_labels" / UNCERTAIN
        self.assignment = root / "soft_labels" / ASSIGNMENT
        self.audit = root / "soft_labels" / AUDIT
        self.review = root / review.NAME
        self.logs = root / "tensorboard"
        self.merged = root / "merged" / self.test.name
        self.per_image = root / "score" / "per_image.csv"
        self.submission = root / "submission.csv"
        self.metrics = root / "metrics.json"
        self.report = root / REPORT

    @property
    def files(self) -> DataSettings:
        """Where the slices are: the user's files, or the phantom in the run directory."""
        data = self.settings.data
        if data.phantom is None:
            return data
        return data.model_copy(update=datasets.phantom_files(self.phantom))

    @property
    def images(self) -> list[Path]:
        """The folders of all slices."""
        folders = (self.files.train_images, self.files.test_images)
        return [folder for folder in folders if folder is not None]

    @property
    def labelled_parts(self) -> list[Path]:
        """The COCO files that scores can be taken on: validation, and test if it has labels."""
        return [self.validation, *([self.test] if self.files.test_labels is not None else [])]

    @property
    def radiologists(self) -> list[str]:
        """The radiologists' names."""
        return [radiologist.name for radiologist in self.settings.radiologists]

    @property
    def models(self) -> list[str]:
        """The names of all models that are trained."""
        return [*self.radiologists, FINAL, *self.controls]

    @property
    def controls(self) -> list[str]:
        """What is trained on labelled slices alone for comparison: the twins, then the control."""
        return [*self.settings.twins.values(), CONTROL] if self.settings.control else []

    def model(self, name: str) -> Path:
        """The folder of a trained model."""
        return self.root / ("radiologists" if name in self.radiologists else "") / name

    def model_files(self, name: str) -> list[Path]:
        """The files that a training leaves."""
        folder = self.model(name)
        return [folder / "model.json", folder / "model.pth", self.curves(name)]

    @property
    def radiologist_models(self) -> dict[str, Path]:
        """The radiologists' model folders, by name."""
        return {name: self.model(name) for name in self.radiologists}

    def beside(self, name: str) -> dict[str, str]:
        """Who stands for each radiologist beside a model: itself; beside the control its twin."""
        twins = self.settings.twins if name == CONTROL else {}
        return {one: twins.get(one, one) for one in self.radiologists}

    @property
    def radiologist_files(self) -> list[Path]:
        """All files that training the radiologists leaves."""
        return self.files_of(self.radiologists)

    def files_of(self, names: Sequence[str]) -> list[Path]:
        """All files that training these models leaves."""
        return [file for name in names for file in self.model_files(name)]

    def curves(self, name: str) -> Path:
        """The learning curves of a model."""
        return self.model(name) / "training.jsonl"

    def predictions(self, name: str) -> Path:
        """The folder of a model's predictions."""
        return self.root / "predictions" / name

    def answers(self, name: str) -> Path:
        """The folder of a model's masks as they are merged: its predictions, or those refined."""
        refined = self.settings.sam.predictions
        return self.root / "refined" / name if refined else self.predictions(name)

    def predicted_parts(self, name: str) -> list[Path]:
        """The COCO files of the slices that a model predicts.

        Without labels for the test slices only the final model's answer is of any use there.
        """
        return [self.validation, self.test] if name == FINAL else self.labelled_parts

    @property
    def labels_to_learn(self) -> Path:
        """The soft labels that the final model learns from, as they came or refined."""
        refined = self.root / "soft_labels" / "refined" / ANNOTATIONS
        return refined if self.settings.sam.soft_labels else self.soft_labels

    def rule(self, name: str) -> Path:
        """The file of the merge rules that were chosen for a model."""
        return self.root / "calibration" / name / "rule.json"
