"""Comparison of semantic networks with the same training, calibration and test slices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.config.names import TEST, VALIDATION
from fewshot.config.semantic import SHARPENED, NetworkName, RegionMethod, SemanticExperiments
from fewshot.config.semantic_training import SemanticTrainingSettings
from fewshot.config.tree import MergeSettings
from fewshot.errors import InputError
from fewshot.files import read_json, write_json, write_text
from fewshot.masks.coco import SliceSet
from fewshot.masks.merge import MergeRule, merge_masks
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import average_precision
from fewshot.metrics.bootstrap import bootstrap_means
from fewshot.metrics.calibration import choose_rule
from fewshot.metrics.contingency import ForegroundCounts
from fewshot.metrics.merge_rules import TUNINGS, true_label_maps
from fewshot.metrics.rand import score_slice
from fewshot.metrics.scores import as_csv
from fewshot.progress import progress, say
from fewshot.semantic.comparison_figure import write_comparison_figure
from fewshot.semantic.comparison_table import Row, as_markdown

TABLE, TABLE_CSV = "comparison.md", "comparison.csv"
FIGURE, DATA = "comparison.png", "comparison.json"
_FEATUP = 150  # iterations, where the settings say nothing
_METHODS: tuple[RegionMethod, ...] = ("components", "watershed")


@dataclass(frozen=True)
class Comparison:
    """The networks to compare, and their slices.

    `networks`, `gafl` and `featup` are crossed; FeatUp only where a network can take it.
    """

    train: SliceSet
    validation: SliceSet
    test: SliceSet
    settings: SemanticTrainingSettings
    networks: Sequence[NetworkName]
    gafl: Sequence[bool]
    featup: Sequence[bool]


@dataclass(frozen=True)
class FinishedModel:
    """The final model of a run: folders of the model and its predictions, and its stage record."""

    folder: Path
    predictions: Path
    record: Path


def compare(
    what: Comparison, out: Path, final: FinishedModel | None = None, append: bool = False
) -> list[Row]:
    """Train the networks, score them on the test slices, and write table, figure and JSON.

    Existing models of the same jobs in `out` are not trained again. `final`, of a finished run on
    the same slices, is added to the table. With `append` the rows of an earlier comparison in `out`
    are kept before the new ones.
    """
    earlier = _earlier(out / DATA) if append else {}
    found = [row for one in _variants(what) for row in _score_variant(what, *one, out)]
    if final is not None:
        found.append(_final_row(final, what))
    rows = list({**earlier, **{row.key: row for row in found}}.values())
    write_json(out / DATA, [vars(row) for row in rows])
    write_text(out / TABLE, as_markdown(rows))
    write_text(out / TABLE_CSV, as_csv([vars(row) for row in rows]))
    write_comparison_figure(out / FIGURE, [vars(row) for row in rows])
    return rows


def _earlier(path: Path) -> dict[tuple[Any, ...], Row]:
    try:
        rows = [Row(**values) for values in read_json(path)]
    except TypeError as error:
        raise InputError(f"{path}: not a comparison's rows; leave --append out") from error
    return {row.key: row for row in rows}


def _variants(what: Comparison) -> Iterator[tuple[NetworkName, bool, bool]]:
    for network in what.networks:
        for gafl in what.gafl:
            for featup in what.featup:
                if not featup or network in SHARPENED:
                    yield network, gafl, featup


def _score_variant(
    what: Comparison, network: NetworkName, gafl: bool, featup: bool, out: Path
) -> Iterator[Row]:
    from fewshot.semantic.prediction import answers, load_semantic
    from fewshot.training.model_folder import TIME, describe_model

    folder = _trained(what, network, gafl, out)
    if featup:
        folder = _sharpened(what, folder)
    description, spent = describe_model(folder), read_json(folder / TIME)
    model = load_semantic(folder, what.settings.device)
    found = [list(answers(model, slices)) for slices in (what.validation, what.test)]
    for method in _METHODS if model.settings.boundary else _METHODS[:1]:
        regions = model.settings.regions.model_copy(update={"method": method})
        validation, test = (
            {one.record.image_id: one.masks(regions, model.name) for one in part} for part in found
        )
        row = _row(what, validation, test, network)
        row = replace(
            row,
            gafl=gafl,
            featup=featup,
            regions=method,
            iterations=description.iterations,
            seconds=spent["seconds"],
            cpu_seconds=spent["cpu_seconds"],
        )
        say(
            f"{folder.name}, {method}: ARI all {row.ari_all:.3f}, foreground "
            f"{row.ari_foreground:.3f}, IoU {row.iou:.3f}"
        )
        yield row


def _trained(what: Comparison, network: NetworkName, gafl: bool, out: Path) -> Path:
    """Return the folder of a plain network, training it if needed."""
    from fewshot.semantic.training import SemanticTask
    from fewshot.training.job import TrainingJob
    from fewshot.training.loop import train
    from fewshot.training.sampling import TrainingSource

    name = f"{network}-gafl" if gafl else network
    plain = {"network": network, "experimental": SemanticExperiments(gafl=gafl)}
    schedule = what.settings
    job = TrainingJob(
        name=name,
        sources=[TrainingSource(what.train)],
        validation=what.validation,
        settings=schedule.model.model_copy(update=plain),
        augmentation=schedule.augmentation,
        schedule=schedule,
        seed=schedule.seed,
        preprocess=schedule.preprocess,
        loop=schedule.training,
        device=schedule.device,
    )
    folder = out / "models" / name
    with progress(f"training {name}", schedule.iterations) as advance:
        train(SemanticTask(job), folder, advance)
    return folder


def _sharpened(what: Comparison, source: Path) -> Path:
    from fewshot.semantic.sharpening import sharpen_model, sharpening_key
    from fewshot.training.sampling import TrainingSource

    folder = source.with_name(f"{source.name}-featup")
    iterations = what.settings.model.experimental.featup or _FEATUP
    if not _made_by(sharpening_key(source, iterations), folder):
        sharpen_model(source, [TrainingSource(what.train)], what.settings, iterations, folder)
    return folder


def _made_by(key: str, folder: Path) -> bool:
    from fewshot.training.model_folder import describe_model

    try:
        return bool(describe_model(folder).training.get("job") == key)
    except InputError:
        return False


def _final_row(final: FinishedModel, what: Comparison) -> Row:
    """Score the final model of a run by its stored predictions on the same slices."""
    from fewshot.masks.coco import read_coco
    from fewshot.training.model_folder import describe_model

    parts = []
    for slices, name in ((what.validation, VALIDATION), (what.test, TEST)):
        path = final.predictions / name
        predicted = read_coco(path)
        known = {(one.image_id, one.file_name) for one in predicted.records}
        if known != {(one.image_id, one.file_name) for one in slices.records}:
            raise InputError(f"{path}: is of other slices than those compared here")
        parts.append(predicted.masks)
    row = _row(what, parts[0], parts[1], "few-shot final")
    record = read_json(final.record)
    return replace(
        row,
        regions="instances",
        iterations=describe_model(final.folder).iterations,
        seconds=float(record["seconds"]),
        cpu_seconds=float(record["cpu_seconds"]),
    )


def _row(
    what: Comparison,
    validation: Mapping[int, SliceMasks],
    test: Mapping[int, SliceMasks],
    model: str,
) -> Row:
    known, truth = true_label_maps(what.validation), true_label_maps(what.test)
    rules: dict[str, MergeRule] = {}
    scores: dict[str, Any] = {}
    counts = ForegroundCounts()
    for metric in TUNINGS:
        rules[metric] = choose_rule(known, validation, MergeSettings(), metric).rule
        merged = {
            image_id: merge_masks(_masks(test, what.test, image_id), rules[metric])
            for image_id in truth
        }
        scores[metric] = [score_slice(truth[one], merged[one]) for one in truth]
        if metric == "all":
            for image_id, label_map in truth.items():
                counts += ForegroundCounts.of(label_map, merged[image_id])
    everywhere = np.array([one.all_pixels for one in scores["all"]])
    groups = what.test.groups
    (drawn,) = bootstrap_means(everywhere[:, None], None if groups is None else [*groups.values()])
    interval = drawn.interval or (drawn.mean, drawn.mean)
    labelled = [what.test.masks_of(image_id) for image_id in truth]
    return Row(
        model=model,
        gafl=False,
        featup=False,
        regions="",
        ari_all=float(everywhere.mean()),
        ari_all_low=interval[0],
        ari_all_high=interval[1],
        ari_foreground=float(np.mean([one.foreground for one in scores["foreground"]])),
        iou=counts.iou,
        dice=counts.dice,
        ap=average_precision(labelled, test).ap,
        iterations=0,
        seconds=0.0,
        cpu_seconds=0.0,
    )


def _masks(masks: Mapping[int, SliceMasks], slices: SliceSet, image_id: int) -> SliceMasks:
    return masks[image_id] if image_id in masks else slices.with_masks([]).masks_of(image_id)
