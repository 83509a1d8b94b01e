"""Which stages a run consists of, and which files go from one to the next."""

from pathlib import Path

from fewshot.classical.watershed import WatershedSettings
from fewshot.config.tree import DetectorSettings, PhantomData, RunSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet, read_coco
from fewshot.pipeline import datasets, stages
from fewshot.pipeline.layout import RunLayout
from fewshot.pipeline.run_directory import Stage
from fewshot.pipeline.sam_plan import refine_predictions, refine_soft_labels
from fewshot.pipeline.scores import Contender, write_scores
from fewshot.report.page import ReportFiles, write_report
from fewshot.report.table import CONTROL, FINAL


class RunPlan(RunLayout):
    """The stages of one run, in order."""

    def __init__(self, settings: RunSettings, root: Path) -> None:
        super().__init__(settings, root)
        self._datasets: dict[str, SliceSet] | None = None

    def stages(self) -> list[Stage]:
        """All stages, in the order in which they can run."""
        settings = self.settings
        plan = [self._make_phantom(settings.data.phantom)] if settings.data.phantom else []
        plan += [self.convert()]
        plan += [self._training(one.name) for one in settings.radiologists]
        plan += [self._weigh(), self._soft_label()]
        early = self.radiologists if settings.sam.soft_labels else []
        plan += [*map(self._predict, early), *refine_soft_labels(self)]
        plan += [self._training(FINAL, self.labels_to_learn)]
        if settings.control:
            plan += [self._training(CONTROL)]
        for name in self.models:
            plan += [] if name in early else [self._predict(name)]
            plan += [*refine_predictions(self, name), self._calibrate(name)]
        return [*plan, self._merge(), self._submit(), self._score(), self._report()]

    def _make_phantom(self, phantom: PhantomData) -> Stage:
        tables = [self.files.train_labels, self.files.test_labels, self.files.groups]
        return Stage(
            name="phantom",
            folder=self.phantom,
            settings=phantom.model_dump(),
            inputs=[],
            outputs=[path for path in tables if path is not None],
            work=lambda: datasets.make_phantom(phantom, self.phantom),
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

    def _training(self, name: str, soft_labels: Path | None = None) -> Stage:
        settings = self.settings
        model = stages.model_to_train(settings, name, self.data, soft_labels)
        inputs = [self.train, self.validation, *self.images]
        if soft_labels is not None:
            inputs.append(soft_labels)
        if settings.detector.weights not in ("auto", "none"):
            inputs.append(Path(settings.detector.weights))
        return Stage(
            name=f"train {name}",
            folder=self.model(name),
            settings={
                "detector": _training_settings(settings.detector),
                "augmentation": model.augmentation.model_dump(),
                "schedule": model.schedule.model_dump(),
                "seed": model.seed,
                "labelled_share": model.labelled_share,
                "preprocess": model.preprocess.model_dump(mode="json"),
            },
            inputs=inputs,
            outputs=self.model_files(name),
            work=lambda: stages.train_model(model, self.model(name)),
        )

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
            thresholds={one.name: one.score_threshold for one in settings.radiologists},
            runaway_ratio=settings.soft_labels.runaway_ratio,
            seed=settings.seed,
            device=settings.detector.device,
        )
        model_files = [file for name in self.radiologists for file in self.model_files(name)]
        return Stage(
            name="soft labels",
            folder=folder,
            settings={
                "thresholds": what.thresholds,
                "runaway_ratio": what.runaway_ratio,
                "seed": what.seed,
                "device": what.device,
            },
            inputs=[self.unlabelled, self.train, self.weights, *self.images, *model_files],
            outputs=[self.soft_labels, self.assignment, self.audit],
            work=lambda: stages.make_soft_labels(what, folder),
        )

    def _predict(self, name: str) -> Stage:
        folder, device = self.predictions(name), self.settings.detector.device
        wanted = self.predicted_parts(name)

        def work() -> None:
            for data in wanted:
                stages.predict(self.model(name), read_coco(data), folder / data.name, device)

        return Stage(
            name=f"predict {name}",
            folder=folder,
            settings={"device": device},
            inputs=[*self.model_files(name), *wanted, *self.images],
            outputs=[folder / data.name for data in wanted],
            work=work,
        )

    def _calibrate(self, name: str) -> Stage:
        final, merge = self.settings.final, self.settings.merge
        threshold = None if final.score_threshold == "auto" else final.score_threshold
        predictions, target = self.answers(name) / self.validation.name, self.rule(name)
        return Stage(
            name=f"calibrate {name}",
            folder=target.parent,
            settings={"merge": merge.model_dump(), "score_threshold": threshold},
            inputs=[self.validation, predictions],
            outputs=[target],
            work=lambda: stages.calibrate(self.validation, predictions, merge, threshold, target),
        )

    def _merge(self) -> Stage:
        metric = self.settings.merge.metric
        predictions = self.answers(FINAL) / self.test.name

        def work() -> None:
            stages.merge(predictions, stages.read_rule(self.rule(FINAL), metric), self.merged)

        return Stage(
            name="merge",
            folder=self.merged.parent,
            settings={"metric": metric},
            inputs=[predictions, self.rule(FINAL)],
            outputs=[self.merged],
            work=work,
        )

    def _submit(self) -> Stage:
        return Stage(
            name="submit",
            folder=self.root / "submit",
            settings={},
            inputs=[self.merged],
            outputs=[self.submission],
            work=lambda: stages.submit(self.merged, self.submission),
        )

    def _score(self) -> Stage:
        settings = self.settings
        contenders = [Contender(name, self.answers(name), self.rule(name)) for name in self.models]
        truths = {path.stem: path for path in self.labelled_parts}
        watershed = WatershedSettings(**settings.baseline.model_dump())
        predictions = [
            contender.predictions / path.name
            for contender in contenders
            for path in truths.values()
        ]
        return Stage(
            name="score",
            folder=self.per_image.parent,
            settings={"baseline": settings.baseline.model_dump(), "metric": settings.merge.metric},
            inputs=[*truths.values(), *predictions, *[self.rule(name) for name in self.models]],
            outputs=[self.metrics, self.per_image],
            work=lambda: write_scores(
                truths,
                contenders,
                FINAL,
                settings.merge.metric,
                watershed,
                self.metrics,
                self.per_image,
            ),
        )

    def _report(self) -> Stage:
        files = ReportFiles(
            root=self.root,
            settings=self.settings,
            metrics=self.metrics,
            weights=self.weights,
            audit=self.audit,
            curves={name: self.curves(name) for name in self.models},
            calibration=self.rule(FINAL),
            truth=self.labelled_parts[-1],
            predictions=self.answers(FINAL),
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
                files.truth,
                files.predictions / files.truth.name,
                self.soft_labels,
                self.per_image,
                *files.curves.values(),
            ],
            outputs=[self.report],
            work=lambda: write_report(files, self.report),
        )


def _training_settings(detector: DetectorSettings) -> dict[str, object]:
    """What a trained model depends on: not how often it is evaluated, saved or asked."""
    aside = {"workers", "evaluation_period", "checkpoint_period", "prediction_batch_size"}
    return detector.model_dump(mode="json", exclude=aside)
