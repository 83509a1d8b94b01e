"""Paths in a run directory, and the names of its models."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.config.names import CONTROL, FINAL, REVIEW, TEST, TRAIN, UNLABELLED, VALIDATION
from fewshot.run.names import (
    ANNOTATIONS,
    ASSIGNMENT,
    AUDIT,
    METRICS,
    REPORT,
    RESOLVED,
    SUBMISSION,
    UNCERTAIN,
    WEIGHTS,
)

if TYPE_CHECKING:
    from fewshot.config.tree import DataSettings, ModelSettings, RunSettings

DATA_KEYS = (
    "train_images",
    "train_labels",
    "groups",
    "test_images",
    "test_labels",
    "test_groups",
)


class RunPaths:
    """The paths in a run directory that do not depend on the settings."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.resolved = root / RESOLVED
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
        self.refined_soft_labels = root / "soft_labels" / "refined" / ANNOTATIONS
        self.review = root / REVIEW
        self.logs = root / "tensorboard"
        self.final = root / FINAL
        self.per_image = root / "score" / "per_image.csv"
        self.submission = root / SUBMISSION
        self.metrics = root / METRICS
        self.report = root / REPORT

    def predictions(self, name: str) -> Path:
        """The folder of a model's predictions."""
        return self.root / "predictions" / name


class RunLayout(RunPaths):
    """All paths in a run directory, given the settings."""

    def __init__(self, settings: "RunSettings", root: Path) -> None:
        super().__init__(root)
        self.settings = settings

    def files(self, paths: Iterable[Path]) -> dict[str, Path]:
        """Return files in the run directory by their paths relative to it, as roles of inputs."""
        return {path.relative_to(self.root).as_posix(): path for path in paths}

    @property
    def source(self) -> "DataSettings":
        """Where the slices are: the user's files, or the phantom in the run directory."""
        from fewshot.importing.datasets import phantom_files

        data = self.settings.data
        if data.phantom is None:
            return data
        return data.model_copy(update=phantom_files(self.phantom))

    @property
    def source_files(self) -> dict[str, Path]:
        """The files and folders that slices, labels and groups are read from, by their settings."""
        from fewshot.slices.groups import is_off

        given = {f"data.{key}": getattr(self.source, key) for key in DATA_KEYS}
        return {key: path for key, path in given.items() if path is not None and not is_off(path)}

    @property
    def groups_off(self) -> list[str]:
        """The settings by which groups are switched off."""
        from fewshot.slices.groups import is_off

        return [key for key in ("groups", "test_groups") if is_off(getattr(self.source, key))]

    @property
    def images(self) -> dict[str, Path]:
        """The folders of all slices, by setting: as they are, or as the run writes them."""
        given = {key: path for key, path in self.source_files.items() if key.endswith("_images")}
        return given | self.pictures

    @cached_property
    def pictures(self) -> dict[str, Path]:
        """Where the run writes slices that are no folder of 8-bit images, by setting."""
        from fewshot.slices.sources.recognise import is_ready

        if self.settings.data.phantom is not None:
            return {}
        return {
            key: self.data / "images" / _short(key)
            for key, path in self.source_files.items()
            if key.endswith("_images") and path.exists() and not is_ready(path)
        }

    @property
    def has_test(self) -> bool:
        """Whether there are test slices; without any, the validation slices are answered."""
        return self.source.test_images is not None

    @property
    def answered(self) -> Path:
        """The COCO file of the slices that the submission is of."""
        return self.test if self.has_test else self.validation

    @property
    def merged(self) -> Path:
        """The final model's merged masks of these slices."""
        return self.root / "merged" / self.answered.name

    def image_folder(self, key: str) -> Path:
        """Return where the run's COCO files look for the images that a setting names.

        A link in the run directory where there can be one, so that the images may be moved.
        """
        folder, link = self.images[key], self._link(key)
        if key in self.pictures:
            return folder
        return link if link.exists() and link.samefile(folder) else folder

    def link_images(self) -> None:
        """Point the links of `image_folder` at the images, where the file system has links."""
        for key, folder in self.images.items():
            if key in self.pictures:
                continue
            link, target = self._link(key), os.path.realpath(folder)
            if self.settings.data.phantom is None and (link.is_symlink() or not link.exists()):
                with suppress(OSError):
                    link.parent.mkdir(exist_ok=True)
                    link.unlink(missing_ok=True)
                    link.symlink_to(target, target_is_directory=True)

    def _link(self, key: str) -> Path:
        return self.root / "images" / _short(key)

    @property
    def labelled_parts(self) -> list[Path]:
        """The COCO files that scores can be taken on: validation, and test if it has labels."""
        return [self.validation, *([self.test] if "data.test_labels" in self.source_files else [])]

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
        """Models trained on labelled slices only, for comparison: the twins, then the control."""
        return [*self.settings.twins.values(), CONTROL] if self.settings.control else []

    def model_settings(self, name: str) -> "ModelSettings":
        """Return the settings of a model; a twin's are its radiologist's."""
        originals = {twin: one for one, twin in self.settings.twins.items()}
        return self.settings.model_of(originals.get(name, name))

    def model(self, name: str) -> Path:
        """The folder of a trained model."""
        return self.root / ("radiologists" if name in self.radiologists else "") / name

    def model_files(self, names: Sequence[str]) -> list[Path]:
        """All files that training these models leaves."""
        from fewshot.training.model_folder import CURVES, DESCRIPTION, WEIGHTS

        files = (DESCRIPTION, WEIGHTS, CURVES)
        return [self.model(name) / file for name in names for file in files]

    @property
    def radiologist_models(self) -> dict[str, Path]:
        """The radiologists' model folders, by name."""
        return {name: self.model(name) for name in self.radiologists}

    def counterparts(self, name: str) -> dict[str, str]:
        """Radiologist → the model in its place: itself, or its twin for the control."""
        twins = self.settings.twins if name == CONTROL else {}
        return {one: twins.get(one, one) for one in self.radiologists}

    def curves(self, name: str) -> Path:
        """The learning curves of a model."""
        from fewshot.training.model_folder import CURVES

        return self.model(name) / CURVES

    def answers(self, name: str) -> Path:
        """The folder of a model's masks for merging: its predictions, refined or not."""
        refined = self.settings.sam.predictions
        return self.root / "refined" / name if refined else self.predictions(name)

    def predicted_parts(self, name: str) -> list[Path]:
        """The COCO files of the slices that a model predicts.

        Without labels for the test slices, only the final model's predictions there are needed.
        """
        answered = [self.validation, *([self.test] if self.has_test else [])]
        return answered if name == FINAL else self.labelled_parts

    @property
    def labels_to_learn(self) -> Path:
        """The soft labels that the final model learns from, refined or not."""
        return self.refined_soft_labels if self.settings.sam.soft_labels else self.soft_labels

    def rule(self, name: str) -> Path:
        """The file of the merge rules chosen for a model."""
        return self.root / "calibration" / name / "rule.json"


def _short(key: str) -> str:
    """Return `train` of `data.train_images`."""
    return key.removeprefix("data.").removesuffix("_images")
