"""Time and size of the report of a large run, fabricated from the phantom without any training.

Every slice has a picture of its own, and masks of five models that are shifted, torn and made up as
a half-trained model's are. Only the report itself is timed.

Usage: python scripts/bench/report.py [--slices 500] [--size 512] [--keep DIR]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from measure import environment  # type: ignore[import-not-found]
from numpy.typing import NDArray
from scipy import ndimage

from fewshot.config.load import dump_settings, parse_settings
from fewshot.config.names import WATERSHED
from fewshot.files import write_json, write_text
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.metrics.calibration import choose_rule
from fewshot.metrics.merge_rules import TUNINGS, read_rule
from fewshot.metrics.scores import Scores
from fewshot.metrics.slice_metrics import METRICS
from fewshot.radiologists.audit import audit_soft_labels
from fewshot.radiologists.soft_label_set import SoftLabels
from fewshot.report.page import report_inputs, report_run
from fewshot.run.layout import RunLayout
from fewshot.run.scores import ModelScores, RunScores
from fewshot.slices.images import write_image
from fewshot.slices.phantom import phantom_slice

_DISTINCT = 24
_ITERATIONS = 1500
_CALIBRATED = 4
LabelMap = NDArray[np.uint8]


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--keep", type=Path, help="an empty folder for the run and its report")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = (arguments.keep or Path(folder)) / "run"
        fabricate(root, arguments.slices, arguments.size)
        wall, cpu = time.perf_counter(), time.process_time()
        target = root / "report.html"
        report_run(root, target)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        result = {
            **environment("pillow", "matplotlib"),
            "slices": arguments.slices,
            "size": arguments.size,
            "cpu_seconds": round(cpu, 1),
            "wall_seconds": round(wall, 1),
            "megabytes": round(target.stat().st_size / 1e6, 2),
        }
    print(json.dumps(result))


def fabricate(root: Path, slices: int, size: int) -> None:
    """Leave what the report of a run is made from."""
    settings = parse_settings({"data": {"phantom": {"size": size, "test": slices}}})
    write_text(root / "config.resolved.yaml", dump_settings(settings))
    layout = RunLayout(settings, root)
    rng = np.random.default_rng(0)
    distinct = [phantom_slice(np.random.default_rng(seed), size) for seed in range(_DISTINCT)]
    sets = {}
    for part, count in ((layout.test, slices), (layout.validation, 40), (layout.unlabelled, 80)):
        labels, records = [], []
        for number in range(count):
            image, label_map = distinct[number % _DISTINCT]
            noisy = image + rng.normal(0, 4, image.shape)
            name = f"{number}.png"
            write_image(root / part.stem / name, np.clip(noisy, 0, 255).astype(np.uint8))
            records.append(SliceRecord(number, name, size, size, group=f"p{number // 10}"))
            labels.append(label_map)
        sets[part] = (SliceSet(root / part.stem, tuple(records), {}), labels)
        write_coco(part, _labelled(*sets[part]), part.stem)
    write_coco(layout.train, _labelled(*sets[layout.validation]), "train")
    for seed, name in enumerate(layout.models):
        for part in (layout.test, layout.validation):
            slices_, labels = sets[part]
            masks = slices_.with_masks(_predictions(labels, name, seed))
            write_coco(layout.predictions(name) / part.name, masks, "predictions")
        _write_curves(layout.curves(name), seed)
        _write_rules(layout, name, sets[layout.validation][1], seed)
    _write_soft_labels(layout, *sets[layout.unlabelled])
    _write_scores(layout, slices)
    missing = [path for path in report_inputs(layout) if not path.is_file()]
    if missing := [path for path in missing if path != layout.review]:
        raise SystemExit(f"{missing[0]}: was not fabricated")


def _labelled(slices: SliceSet, labels: Sequence[LabelMap]) -> SliceSet:
    return slices.with_masks(
        SliceMasks.from_label_map(number, one) for number, one in enumerate(labels)
    )


def _predictions(labels: Sequence[LabelMap], name: str, seed: int) -> Iterator[SliceMasks]:
    """Yield masks of each slice; those of every so many slices are the same."""
    rng = np.random.default_rng(100 + seed)
    made: list[SliceMasks] = []
    for number, label_map in enumerate(labels):
        if number < _DISTINCT:
            made.append(_torn(label_map, name, rng))
        yield replace(made[number % _DISTINCT], image_id=number)


def _torn(label_map: LabelMap, name: str, rng: np.random.Generator) -> SliceMasks:
    masks = SliceMasks.from_label_map(0, label_map).decode()
    kept = masks[rng.random(len(masks)) < 0.85]
    kept = np.concatenate([kept, kept[rng.random(len(kept)) < 0.4]])  # doubled
    moved = np.array([np.roll(one, rng.integers(-9, 10, 2), (0, 1)) for one in kept])
    rough = ndimage.gaussian_filter(rng.normal(size=label_map.shape), 3) > -0.2
    moved = moved.reshape(-1, *label_map.shape) & rough
    moved = moved[moved.any(axis=(1, 2))]
    scores = rng.uniform(0.3, 1, len(moved)).astype(np.float32)
    boxes = np.array([_box(one) for one in moved], dtype=np.float32).reshape(-1, 4)
    return SliceMasks.from_stack(0, moved, scores, boxes, name)


def _box(mask: NDArray[np.bool_]) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def _write_curves(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = ("loss_mask", "loss_cls", "loss_box_reg", "loss_rpn_cls", "loss_rpn_loc")
    lines = []
    for iteration in range(_ITERATIONS):
        losses = rng.uniform(0.1, 0.9, len(parts)) * (0.2 + np.exp(-iteration / 300))
        line = {"iteration": iteration, "total_loss": float(losses.sum())}
        line |= dict(zip(parts, losses.tolist(), strict=True))
        if (iteration + 1) % 250 == 0:
            line["validation/ap"] = iteration / _ITERATIONS / 2
        lines.append(json.dumps(line))
    write_text(path, "\n".join(lines) + "\n")


def _write_rules(layout: RunLayout, name: str, labels: Sequence[LabelMap], seed: int) -> None:
    truth = dict(enumerate(labels[:_CALIBRATED]))
    masks = {one.image_id: one for one in _predictions(labels[:_CALIBRATED], name, seed)}
    merge = layout.settings.merge
    rules = {
        metric: choose_rule(truth, masks, merge, metric).as_json()
        for metric in ("all", "foreground")
    }
    write_json(layout.rule(name), rules)


def _write_soft_labels(layout: RunLayout, slices: SliceSet, labels: Sequence[LabelMap]) -> None:
    names = layout.radiologists
    soft = slices.with_masks(_predictions(labels, names[0], 9))
    ids = [record.image_id for record in slices.records]
    assignment = {name: ids[place :: len(names)] for place, name in enumerate(names)}
    said = SoftLabels(soft, slices, assignment, {}, dict.fromkeys(names, 0.7))
    write_coco(layout.soft_labels, soft, "soft labels")
    write_json(layout.audit, asdict(audit_soft_labels(said, soft)))
    shares = dict.fromkeys(names, 1 / len(names))
    write_json(layout.weights, {"average_precision": shares, "weights": shares})


def _write_scores(layout: RunLayout, slices: int) -> None:
    """Leave scores that are made up: what they are does not matter to the report's time."""
    rng = np.random.default_rng(1)

    def scores() -> Scores:
        values = rng.uniform(0.2, 0.9, (slices, len(METRICS)))
        rows = [dict(zip(METRICS, row, strict=True)) for row in values.tolist()]
        return Scores.of({f"{number}.png": row for number, row in enumerate(rows)})

    models = {WATERSHED: ModelScores.untuned(scores())}
    for name in layout.models:
        rules = {metric: read_rule(layout.rule(name), metric) for metric in TUNINGS}
        tuned = {metric: scores() for metric in TUNINGS}
        models[name] = ModelScores(tuned, rules, AveragePrecision(0.4, 0.6, 0.3))
    run = RunScores("test", layout.settings.merge.metric, {"test": models})
    run.write(layout.metrics, layout.per_image)


if __name__ == "__main__":
    main()
