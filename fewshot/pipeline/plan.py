"""Which stages a run consists of, and which files go from one to the next."""

from pathlib import Path

from fewshot.classical.watershed import WatershedSettings
from fewshot.config.tree import DataSettings, DetectorSettings, RunSettings, TrainingSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet, read_coco
from fewshot.pipeline import datasets, stages
from fewshot.pipeline.run_directory import Stage
from fewshot.pipeline.scores import Contender, write_scores
from fewshot.report.page import ReportFiles, write_report
from fewshot.report.table import CONTROL, FINAL


class RunPlan:
    """The stages of one run, in order, and the paths of what they leave in the run directory."""

    def __init__(self, settings: RunSettings, root: Path) -> None:
        self.settings = settings
        self.root = root
        self.data = root / "data"
        self.train = self.data / datasets.TRAIN
        self.validation = self.data / datasets.VALIDATION
        self.unlabelled = self.data / datasets.UNLABELLED
        self.test = self.data / datasets.TEST
        self.weights = root / "weights" / "weights.json"
        self.soft_labels = root / "soft_labels" / "annotations.json"
        self.submission = root / "submission.csv"
        self.metrics = root / "metrics.json"
        self.report = root / "report.html"
        self._datasets: dict[str, SliceSet] | None = None

    @property
    def files(self) -> DataSettings:
        """Where the slices are: the user's files, or the phantom in the run directory."""
        data = self.settings.data
        if data.phantom is None:
            return data
        return data.model_copy(update=datasets.phantom_files(self.root / "phantom"))

    @property
    def radiologists(self) -> list[str]:
        """The radiologists' names."""
        return [radiologist.name for radiologist in self.settings.radiologists]

    @property
    def models(self) -> list[str]:
        """The names of all models that are trained."""
        control = [CONTROL] if self.settings.control else []
        return [*self.radiologists, FINAL, *control]

    def model(self, name: str) -> Path:
        """The folder of a trained model."""
        return self.root / ("radiologists" if name in self.radiologists else "") / name

    def predictions(self, name: str) -> Path:
        """The folder of a model's predictions."""
        return self.root / "predictions" / name

    def stages(self) -> list[Stage]:
        """All stages, in the order in which they can run."""
        plan = [self._phantom()] if self.settings.data.phantom else []
        plan += [self.convert()]
        plan += [
            self._training(radiologist.name, radiologist, None)
            for radiologist in self.settings.radiologists
        ]
        plan += [self._weigh(), self._soft_label()]
        plan += [self._training(FINAL, self.settings.final, self.soft_labels)]
        if self.settings.control:
            plan += [self._training(CONTROL, self.settings.final, None)]
        plan += [
            stage for name in self.models for stage in (self._predict(name), self._calibrate(name))
        ]
        return [*plan, self._merge(), self._submit(), self._score(), self._report()]

    def _phantom(self) -> Stage:
        phantom = self.settings.data.phantom
        if phantom is None:
            raise InputError("data: no phantom is set")
        files = self.files
        tables = [files.train_labels, files.test_labels, files.groups]
        return Stage(
            name="phantom",
            folder=self.root / "phantom",
            settings=phantom.model_dump(),
            inputs=[],
            outputs=[path for path in tables if path is not None],
            work=lambda: datasets.make_phantom(phantom, self.root / "phantom"),
        )

    def convert(self) -> Stage:
        """The stage that turns the user's files into COCO files."""
        files = self.files
        inputs = [
            files.train_images,
            files.train_labels,
            files.groups,
            files.test_images,
            files.test_labels,
        ]
        return Stage(
            name="data",
            folder=self.data,
            settings={
                "labelled": files.labelled,
                "validation_fraction": files.validation_fraction,
                "seed": self.settings.seed,
            },
            inputs=[path for path in inputs if path is not None],
            outputs=[self.train, self.validation, self.unlabelled, self.test],
            work=lambda: datasets.write_datasets(self.read_datasets(), self.data),
        )

    def read_datasets(self) -> dict[str, SliceSet]:
        """Return the slices that `convert` writes; read once, so that a run can look at them early.

        Raises `InputError` for whatever is wrong with the user's files.
        """
        if self._datasets is None:
            files = self.files
            if not (files.train_images and files.train_labels and files.test_images):
                raise InputError("data: needs train_images, train_labels and test_images")
            self._datasets = datasets.read_training(
                datasets.TrainingFiles(files.train_images, files.train_labels, files.groups),
                files.validation_fraction,
                self.settings.seed,
                None if files.labelled == "auto" else files.labelled,
            )
            test = datasets.read_test(files.test_images, files.test_labels)
            self._datasets[datasets.TEST] = test
        return self._datasets

    def _training(self, name: str, schedule: TrainingSettings, soft_labels: Path | None) -> Stage:
        settings = self.settings
        # Alone of all models, final and control share a seed: they differ in their data only.
        order = 1 + (self.radiologists.index(name) if name in self.radiologists else -1)
        model = stages.ModelToTrain(
            name=name,
            train=self.train,
            validation=self.validation,
            detector=settings.detector,
            augmentation=settings.augmentation,
            schedule=TrainingSettings(
                learning_rate=schedule.learning_rate, iterations=schedule.iterations
            ),
            seed=settings.seed * 1000 + order,
            soft_labels=soft_labels,
            labelled_repeat=settings.soft_labels.labelled_repeat if soft_labels else 1,
        )
        folder = self.model(name)
        inputs = [self.train, self.validation, self._images()]
        weights = Path(settings.detector.weights)
        return Stage(
            name=f"train {name}",
            folder=folder,
            settings={
                "detector": _training_settings(settings.detector),
                "augmentation": model.augmentation.model_dump(),
                "schedule": model.schedule.model_dump(),
                "seed": model.seed,
                "labelled_repeat": model.labelled_repeat,
            },
            inputs=inputs
            + ([soft_labels] if soft_labels else [])
            + ([weights] if settings.detector.weights not in ("auto", "none") else []),
            outputs=_model_files(folder),
            work=lambda: stages.train_model(model, folder),
        )

    def _images(self) -> Path:
        images = self.files.train_images
        if images is None:
            raise InputError("data.train_images: is missing")
        return images

    def _weigh(self) -> Stage:
        models = {name: self.model(name) for name in self.radiologists}
        return Stage(
            name="weigh radiologists",
            folder=self.weights.parent,
            settings={},
            inputs=[folder / "model.json" for folder in models.values()],
            outputs=[self.weights],
            work=lambda: stages.weigh(models, self.weights),
        )

    def _soft_label(self) -> Stage:
        settings, folder = self.settings, self.soft_labels.parent
        what = stages.SoftLabelling(
            unlabelled=self.unlabelled,
            labelled=self.train,
            weights=self.weights,
            models={name: self.model(name) for name in self.radiologists},
            thresholds={
                radiologist.name: radiologist.score_threshold
                for radiologist in settings.radiologists
            },
            runaway_ratio=settings.soft_labels.runaway_ratio,
            seed=settings.seed,
            device=settings.detector.device,
        )
        model_files = [file for folder in what.models.values() for file in _model_files(folder)]
        return Stage(
            name="soft labels",
            folder=folder,
            settings={
                "thresholds": what.thresholds,
                "runaway_ratio": what.runaway_ratio,
                "seed": what.seed,
                "device": what.device,
            },
            inputs=[self.unlabelled, self.train, self.weights, *model_files],
            outputs=[self.soft_labels, folder / "assignment.json", folder / "audit.json"],
            work=lambda: stages.make_soft_labels(what, folder),
        )

    def _predict(self, name: str) -> Stage:
        folder, device = self.predictions(name), self.settings.detector.device
        # Without labels for the test slices only the final model's answer is of any use there.
        wanted = [self.validation]
        if name == FINAL or self.files.test_labels is not None:
            wanted.append(self.test)
        test_images = self.files.test_images

        def work() -> None:
            for data in wanted:
                stages.predict(self.model(name), read_coco(data), folder / data.name, device)

        return Stage(
            name=f"predict {name}",
            folder=folder,
            settings={"device": device},
            inputs=[
                *_model_files(self.model(name)),
                *wanted,
                *([test_images] if test_images else []),
            ],
            outputs=[folder / data.name for data in wanted],
            work=work,
        )

    def _calibrate(self, name: str) -> Stage:
        final, merge = self.settings.final, self.settings.merge
        threshold = None if final.score_threshold == "auto" else final.score_threshold
        predictions, target = self.predictions(name) / self.validation.name, self.rule(name)
        return Stage(
            name=f"calibrate {name}",
            folder=target.parent,
            settings={"merge": merge.model_dump(), "score_threshold": threshold},
            inputs=[self.validation, predictions],
            outputs=[target],
            work=lambda: stages.calibrate(self.validation, predictions, merge, threshold, target),
        )

    def rule(self, name: str) -> Path:
        """The file of the merge rules that were chosen for a model."""
        return self.root / "calibration" / name / "rule.json"

    def _merge(self) -> Stage:
        metric = self.settings.merge.metric
        predictions = self.predictions(FINAL) / self.test.name
        target = self.root / "merged" / self.test.name

        def work() -> None:
            stages.merge(predictions, stages.read_rule(self.rule(FINAL), metric), target)

        return Stage(
            name="merge",
            folder=target.parent,
            settings={"metric": metric},
            inputs=[predictions, self.rule(FINAL)],
            outputs=[target],
            work=work,
        )

    def _submit(self) -> Stage:
        merged = self.root / "merged" / self.test.name
        return Stage(
            name="submit",
            folder=self.root / "submit",
            settings={},
            inputs=[merged],
            outputs=[self.submission],
            work=lambda: stages.submit(merged, self.submission),
        )

    def _score(self) -> Stage:
        settings = self.settings
        contenders = [
            Contender(name, self.predictions(name), self.rule(name)) for name in self.models
        ]
        truths = {"validation": self.validation}
        if self.files.test_labels is not None:
            truths["test"] = self.test
        watershed = WatershedSettings(**settings.baseline.model_dump())
        per_image = self.root / "score" / "per_image.csv"
        predictions = [
            contender.predictions / path.name
            for contender in contenders
            for path in truths.values()
        ]
        return Stage(
            name="score",
            folder=per_image.parent,
            settings={"baseline": settings.baseline.model_dump(), "metric": settings.merge.metric},
            inputs=[*truths.values(), *predictions, *[self.rule(name) for name in self.models]],
            outputs=[self.metrics, per_image],
            work=lambda: write_scores(
                truths, contenders, FINAL, settings.merge.metric, watershed, self.metrics, per_image
            ),
        )

    def _report(self) -> Stage:
        files = ReportFiles(
            root=self.root,
            settings=self.settings,
            metrics=self.metrics,
            weights=self.weights,
            audit=self.soft_labels.parent / "audit.json",
            curves={name: self.model(name) / "training.jsonl" for name in self.models},
            calibration=self.rule(FINAL),
            truth=self.test if self.files.test_labels is not None else self.validation,
            predictions=self.predictions(FINAL),
            soft_labels=self.soft_labels,
        )
        return Stage(
            name="report",
            folder=self.root / "report",
            settings=self.settings.model_dump(mode="json"),
            inputs=[
                self.metrics,
                self.weights,
                files.audit,
                files.calibration,
                *files.curves.values(),
            ],
            outputs=[self.report],
            work=lambda: write_report(files, self.report),
        )


def _model_files(folder: Path) -> list[Path]:
    return [folder / "model.json", folder / "model.pth", folder / "training.jsonl"]


def _training_settings(detector: DetectorSettings) -> dict[str, object]:
    """What a trained model depends on: not how often it is evaluated, saved or asked."""
    aside = {"workers", "evaluation_period", "checkpoint_period", "prediction_batch_size"}
    return detector.model_dump(mode="json", exclude=aside)
