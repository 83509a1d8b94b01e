"""Which stages a run consists of, and which files go from one to the next."""

from pathlib import Path

from fewshot.config.tree import PhantomData, RunSettings, SoftLabelSettings
from fewshot.errors import InputError
from fewshot.importing import datasets
from fewshot.importing.slices import Imported
from fewshot.masks.coco import SliceSet, read_coco
from fewshot.metrics.merge_rules import calibrate, read_rule
from fewshot.pipeline import stages
from fewshot.pipeline.sam_stages import refine_predictions, refine_soft_labels
from fewshot.pipeline.scores import ScoredModel, write_scores
from fewshot.pipeline.soft_labelling import SoftLabelling, make_soft_labels
from fewshot.pipeline.training import SoftTraining, WarmStart, model_to_train, train_model, weigh
from fewshot.report.page import report_inputs, write_report
from fewshot.run.layout import RunLayout
from fewshot.run.names import CONTROL, FINAL, TEST
from fewshot.run.stages import Stage
from fewshot.slices.groups import OFF, is_off


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
        soft = SoftTraining(self.labels_to_learn, settings.soft_labels, self.uncertain, self.review)
        plan += [self._training(FINAL, soft), *map(self._training, self.controls)]
        for name in self.models:
            plan += [] if name in early else [self._predict(name)]
            plan += [*refine_predictions(self, name), self._calibrate(name)]
        return [*plan, self._merge(), self._submit(), self._score(), self._report()]

    def _make_phantom(self, phantom: PhantomData) -> Stage:
        files = self.files
        tables = [files.train_labels, files.test_labels, files.groups, files.test_groups]
        return Stage(
            name="phantom",
            folder=self.phantom,
            settings=phantom.model_dump(),
            inputs=[],
            outputs=[path for path in [*tables, *self.images] if path is not None],
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
            files.test_groups,
        ]
        return Stage(
            name="data",
            folder=self.data,
            settings={
                "labelled": files.labelled,
                "validation_fraction": files.validation_fraction,
                "seed": self.settings.seed,
                **({"groups": OFF} if is_off(files.groups) else {}),
                **({"test_groups": OFF} if is_off(files.test_groups) else {}),
            },
            inputs=[path for path in inputs if path is not None and not is_off(path)],
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
            read: list[Imported] = []
            parts = datasets.read_training(
                datasets.TrainingFiles(files.train_images, files.train_labels, files.groups),
                files.validation_fraction,
                self.settings.seed,
                None if files.labelled == "auto" else files.labelled,
                read.append,
            )
            test = datasets.read_test(
                files.test_images, files.test_labels, files.test_groups, read.append
            )
            for one in read:
                datasets.tell(one)
            self._datasets = {**parts, TEST: test}
        return self._datasets

    def _training(self, name: str, soft: SoftTraining | None = None) -> Stage:
        settings = self.settings
        beside = self.beside(name)
        models = {one: self.model(other) for one, other in beside.items()}
        radiologists = WarmStart(models, self.weights, supervised=name == CONTROL)
        model = model_to_train(settings, name, self.data, soft, radiologists)
        inputs = [self.train, self.validation, *self.images]
        if soft is not None:
            # A person's review may come, and may change.
            inputs += [self.labels_to_learn, self.uncertain, self.review]
        if model.warm_start is not None:
            inputs += [self.weights, *self.files_of([*beside.values()])]
        if model.unlabelled is not None:
            inputs.append(model.unlabelled)
        if model.settings.weights_file is not None:
            inputs.append(model.settings.weights_file)
        return Stage(
            name=f"train {name}",
            folder=self.model(name),
            settings={
                "model": model.settings.identity("prediction"),
                "augmentation": model.augmentation.model_dump(),
                "schedule": model.schedule.model_dump(),
                "seed": model.seed,
                "soft_labels": None if soft is None else _mixing_settings(soft.settings),
                "warm_start": model.warm_start is not None and (model.warm_start.lender or True),
                "preprocess": model.preprocess.model_dump(mode="json"),
            },
            inputs=inputs,
            outputs=self.model_files(name),
            work=lambda: train_model(model, self.model(name), self.logs),
        )

    def _weigh(self) -> Stage:
        models = self.radiologist_models
        return Stage(
            name="weigh radiologists",
            folder=self.weights.parent,
            settings={},
            inputs=[folder / "model.json" for folder in models.values()],
            outputs=[self.weights],
            work=lambda: weigh(models, self.weights),
        )

    def _soft_label(self) -> Stage:
        settings, folder = self.settings, self.soft_labels.parent
        what = SoftLabelling(self.data, self.radiologist_models, self.weights)
        thresholds = {one.name: one.score_threshold for one in settings.radiologists}
        data = [self.unlabelled, self.train, self.validation]
        return Stage(
            name="soft labels",
            folder=folder,
            settings={
                **settings.soft_labels.model_dump(exclude=_OF_TRAINING),
                "score_thresholds": thresholds,
                "seed": settings.seed,
                "device": settings.detector.device,
            },
            inputs=[*data, self.weights, *self.images, *self.radiologist_files],
            outputs=[self.soft_labels, self.uncertain, self.assignment, self.audit],
            work=lambda: make_soft_labels(what, settings, folder),
        )

    def _predict(self, name: str) -> Stage:
        folder, device = self.predictions(name), self.settings.detector.device
        prediction = self.settings.prediction
        wanted = self.predicted_parts(name)
        beside = self.beside(name) if name in (FINAL, CONTROL) else {}
        names = [*(beside.values() if prediction.ensemble else []), name]
        refiner = beside.get(prediction.refine_with or "")
        models = [self.model(one) for one in names]
        refine_with = None if refiner is None else self.model(refiner)

        def work() -> None:
            for data in wanted:
                target = folder / data.name
                stages.predict(
                    models, read_coco(data), target, prediction, device, refine_with=refine_with
                )

        return Stage(
            name=f"predict {name}",
            folder=folder,
            settings={
                "device": device,
                "tta": prediction.model_dump()["tta"],
                "refine_with": refiner,
            },
            inputs=[
                *self.files_of(names if refiner is None else [*names, refiner]),
                *wanted,
                *self.images,
            ],
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
            work=lambda: calibrate(self.validation, predictions, merge, threshold, target),
        )

    def _merge(self) -> Stage:
        metric = self.settings.merge.metric
        predictions = self.answers(FINAL) / self.test.name

        def work() -> None:
            stages.merge(predictions, read_rule(self.rule(FINAL), metric), self.merged)

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
        models = [ScoredModel(name, self.answers(name), self.rule(name)) for name in self.models]
        truths = {path.stem: path for path in self.labelled_parts}
        watershed = settings.baseline
        predictions = [
            model.predictions / path.name for model in models for path in truths.values()
        ]
        return Stage(
            name="score",
            folder=self.per_image.parent,
            settings={"baseline": settings.baseline.model_dump(), "metric": settings.merge.metric},
            inputs=[*truths.values(), *predictions, *[self.rule(name) for name in self.models]],
            outputs=[self.metrics, self.per_image],
            work=lambda: write_scores(
                truths,
                models,
                FINAL,
                settings.merge.metric,
                watershed,
                self.metrics,
                self.per_image,
            ),
        )

    def _report(self) -> Stage:
        return Stage(
            name="report",
            folder=self.root / "report",
            settings=self.settings.model_dump(mode="json"),
            inputs=report_inputs(self),
            outputs=[self.report],
            work=lambda: write_report(self, self.report),
        )


# What training, not soft-labelling, makes of the soft labels' settings.
_OF_TRAINING = {"score_weighted_loss", "teacher", "labelled_share"}


def _mixing_settings(settings: SoftLabelSettings) -> dict[str, object]:
    """What training makes of soft labels."""
    wanted = set(_OF_TRAINING)
    if settings.teacher.renew:
        wanted.add("runaway_ratio")
    return settings.model_dump(mode="json", include=wanted)
