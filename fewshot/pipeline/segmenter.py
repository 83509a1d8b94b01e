"""A finished run, or a trained model, that segments new slices."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fewshot.config.load import load_settings
from fewshot.config.names import FINAL
from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.importing.convert import describe, report
from fewshot.importing.slices import ImportOptions, import_slices
from fewshot.lock import refuse_if_locked
from fewshot.masks.coco import SliceRecord, SliceSet, check_images, read_coco
from fewshot.masks.merge import MergeRule
from fewshot.metrics.merge_rules import read_rule
from fewshot.models.ensemble import PLAIN
from fewshot.pipeline.predictor import Predictor
from fewshot.pipeline.refining import CHOICE, embedder_of
from fewshot.pipeline.segmentation import Segmentation, segmentation_of
from fewshot.progress import say, warn
from fewshot.run.layout import RunLayout
from fewshot.run.names import RECORD, RESOLVED
from fewshot.slices.images import write_image
from fewshot.training.model_folder import DESCRIPTION

if TYPE_CHECKING:
    from fewshot.sam.embeddings import Embedder
    from fewshot.sam.refine import RefineRule


@dataclass(frozen=True)
class SamRefinement:
    """How a run refines predicted masks with Segment Anything."""

    embedder: "Embedder"
    rule: "RefineRule"


@dataclass(frozen=True)
class Segmenter:
    """Models, and how a run makes label maps of their masks.

    From a finished run: the final model, with the run's test-time augmentation, ensemble and
    refinement, and the merge rule that was chosen on its validation slices. From a model folder:
    that model alone, with masks of score 0.5 and above.

    Attributes:
        predictor: the models.
        rule: how masks become a label map.
        sam: refinement of masks before they are merged.
    """

    predictor: Predictor
    rule: MergeRule
    sam: SamRefinement | None = None

    def __str__(self) -> str:
        names = [model.name for model in self.predictor.models]
        views = len(self.predictor.views)
        parts = [
            f"{' and '.join(names)}" if len(names) < 3 else f"{len(names)} models together",
            f"{views} views of a slice" if views > 1 else "",
            f"refined with {self.predictor.refiner.name}" if self.predictor.refiner else "",
            "refined by Segment Anything" if self.sam else "",
            f"masks of score {self.rule.score_threshold:g} and above",
            f"regions of {self.rule.min_area} pixels and more" if self.rule.min_area else "",
            "every pixel in the nearest region" if self.rule.background == "nearest" else "",
        ]
        return ", ".join(part for part in parts if part)

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Self:
        """Load a run directory or a model folder, to predict on `cpu`, `cuda` or `auto`.

        Raises `InputError` when there is neither, or the run is not finished; `FewshotError` when
        another process is working in it.
        """
        if (path / RESOLVED).is_file():
            return cls._of_run(path, device)
        if (path / DESCRIPTION).is_file():
            return cls(Predictor.load([path], None, PLAIN, device), MergeRule())
        if not path.exists():
            raise InputError(f"{path}: no such folder; give a run directory or a model folder")
        raise InputError(
            f"{path}: holds neither a run (no {RESOLVED}) nor a trained model (no {DESCRIPTION})"
        )

    @classmethod
    def _of_run(cls, root: Path, device: str) -> Self:
        refuse_if_locked(root)
        settings = load_settings(root / RESOLVED)
        layout = RunLayout(settings.model_copy(update={"device": device}), root)
        _check_finished(layout)
        prediction = settings.prediction
        voters = [*(layout.radiologists if prediction.ensemble else []), FINAL]
        refiner = prediction.refine_with
        predictor = Predictor.load(
            [layout.model(name) for name in voters],
            None if refiner is None else layout.model(refiner),
            prediction.tta,
            device,
        )
        rule = read_rule(layout.rule(FINAL), settings.merge.metric)
        return cls(predictor, rule, _sam(layout) if settings.sam.predictions else None)

    def predict(
        self,
        slices: Path | str | NDArray[np.uint8] | SliceSet,
        options: ImportOptions | None = None,
    ) -> Segmentation:
        """Return the regions of slices.

        Args:
            slices: a file or folder of any form that `fewshot convert` reads; grey values, uint8,
                (height, width) or (slices, height, width); or slices that were read before.
            options: how files are read: window, axis and so on.

        Raises `InputError` for slices that cannot be read.
        """
        with TemporaryDirectory(prefix="fewshot-") as name:
            folder = Path(name)
            pictures = folder / "images"
            pictures.mkdir()
            if isinstance(slices, SliceSet):
                return self._answer(check_images(slices), folder)
            if isinstance(slices, np.ndarray):
                return self._answer(_written(slices, pictures), folder)
            path = Path(slices)
            if not path.exists():
                raise InputError(f"{path}: no such file or folder of slices")
            read = import_slices(
                path, None, None, replace(options or ImportOptions(), pictures=pictures)
            )
            for line in read.warnings:
                warn(line)
            for line in report(describe(read)):
                say(line)
            found = self._answer(read.slices, folder)
            lasting = path if read.slices.images == pictures else read.slices.images
            found = replace(found, slices=replace(found.slices, images=lasting))
            return replace(found, patients=read.patients)

    def _answer(self, slices: SliceSet, folder: Path) -> Segmentation:
        # Through a file, as in a run: scores and boxes are rounded there.
        target = folder / "slices.json"
        self.predictor.write(replace(slices, home=None), target)
        predicted = read_coco(target, slices.images)
        if self.sam is not None:
            from fewshot.sam.refining import refined

            kept = replace(self.sam.embedder, folder=folder / "embeddings")
            masks = refined(kept, predicted, self.sam.rule, "slices")
            predicted = predicted.with_masks(masks.values())
        return segmentation_of(predicted, self.rule, self.predictor.name, {})


def _check_finished(layout: RunLayout) -> None:
    """Raise `InputError` unless every stage that the answer depends on has ended."""
    made = [layout.model(name) for name in (*layout.radiologists, FINAL)]
    made += [layout.data, layout.soft_labels.parent, layout.predictions(FINAL)]
    made += [layout.answers(FINAL), layout.rule(FINAL).parent, layout.merged.parent]
    if not all((folder / RECORD).is_file() for folder in made) or not layout.submission.is_file():
        raise InputError(
            f"{layout.root}: the run is not finished; go on with fewshot run --resume, or give "
            "the folder of one of its models"
        )


def _sam(layout: RunLayout) -> SamRefinement | None:
    """Return the refinement that a run chose; None where it chose to leave it out."""
    from fewshot.sam.refine import RefineRule

    path = layout.answers(FINAL) / CHOICE
    try:
        chosen: dict[str, Any] | None = read_json(path)["rule"]
        rule = None if chosen is None else RefineRule(**chosen)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: does not say which refinement was chosen") from error
    return None if rule is None else SamRefinement(embedder_of(layout), rule)


def _written(pixels: NDArray[Any], folder: Path) -> SliceSet:
    """Return the slices of an array, written as images, as all models read them."""
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or not pixels.size:
        raise InputError(
            f"array of shape {pixels.shape} and {pixels.dtype}: give grey values as uint8, "
            "(height, width) or (slices, height, width)"
        )
    stack = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    records = []
    for number, plane in enumerate(stack):
        records.append(SliceRecord(number, f"{number}.png", *plane.shape))
        write_image(folder / f"{number}.png", np.ascontiguousarray(plane))
    return SliceSet(folder, tuple(records), {})
