"""`fewshot volume-agreement`: a model's volumes compared with those of annotators."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fewshot.config.volume import AgreementSettings
from fewshot.errors import InputError
from fewshot.files import write_json, write_text
from fewshot.folders import filled_folder
from fewshot.metrics.contingency import contingency
from fewshot.metrics.kappa import fleiss_kappa, foreground_kappa
from fewshot.metrics.scores import as_csv
from fewshot.progress import say, warn
from fewshot.slices.sequence import Spacing
from fewshot.volume.bland_altman import bland_altman, write_figure
from fewshot.volume.distances import surface_distance
from fewshot.volume.link import LinkRule, count_pairs
from fewshot.volume.read_stacks import read_stacks
from fewshot.volume.readers import link_stacks, on_slices, pairs
from fewshot.volume.stack import Box, Labels, LabelStack, crop, grown

MODEL = "model"
_MARGIN = 1.0  # around the structures, in their size: the kappa of whole slices is always near 1


@dataclass(frozen=True)
class AgreementRequest:
    """What to compare."""

    model: Path
    annotators: tuple[Path, ...]
    spacing: Spacing | None = None
    settings: AgreementSettings = field(default_factory=AgreementSettings)


@dataclass(frozen=True)
class PairRow:
    """The agreement of two readers on one structure; distances in mm, volumes in mm3.

    If one of them does not have it, `dice` is 0 and distances are None. The difference is the first
    volume minus the second, the percentage is of the second.
    """

    volume: str
    structure: int
    first: str
    second: str
    dice: float
    surface_mean_mm: float | None
    hausdorff95_mm: float | None
    first_mm3: float
    second_mm3: float
    difference_mm3: float
    difference_percent: float | None


@dataclass(frozen=True)
class KappaRow:
    """Agreement beyond chance on a volume, in the box of all structures plus a margin."""

    volume: str
    readers: str
    cohen: float | None
    fleiss: float | None


def agreement(request: AgreementRequest, out: Path, overwrite: bool = False) -> dict[str, Any]:
    """Write `agreement.csv`, `agreement.json` and `bland_altman.png`; all of it or nothing.

    Structures are matched by id if the files have structures, otherwise by overlap with the
    model's. Returns the content of the JSON file.
    Raises `InputError` if an annotator has none of the model's volumes, or other slices.
    """
    volumes = _read(request)
    rows, kappas = [], []
    for name, readers in volumes.items():
        rows += compare(name, readers)
        kappas += _kappas(name, readers)
    measured: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.first == MODEL:
            measured.setdefault(row.second, []).append((row.first_mm3, row.second_mm3))
    shown = bland_altman([pair for own in measured.values() for pair in own])
    slices = sum(len(next(iter(readers.values())).labels) for readers in volumes.values())
    answer: dict[str, Any] = {
        "pairs": [asdict(row) for row in rows],
        "means": _means(rows),
        "kappa": [asdict(row) for row in kappas],
        "bland_altman": asdict(shown),
        "read": [readers[MODEL].described() for readers in volumes.values()],
        "slices": slices,
        "seconds_per_slice": _times(request.settings, slices),
    }
    table = [
        {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
        for row in answer["pairs"]
    ]
    with filled_folder(out, overwrite) as folder:
        write_text(folder / "agreement.csv", as_csv(table, list(PairRow.__dataclass_fields__)))
        write_json(folder / "agreement.json", answer)
        write_figure(folder / "bland_altman.png", measured, shown)
    _report(answer, out)
    return {"folder": str(out), **answer}


def compare(name: str, readers: Mapping[str, LabelStack]) -> list[PairRow]:
    """Return a row for each pair of readers and each structure of either.

    The stacks contain the same slices, with the same id for the same structure.
    """
    rows = []
    boxes = {who: dict(crop(stack.labels)) for who, stack in readers.items()}
    for first, second in combinations(readers, 2):
        for structure in sorted(boxes[first].keys() | boxes[second].keys()):
            both = [boxes[who].get(structure) for who in (first, second)]
            box = _around([one for one in both if one is not None])
            a, b = (readers[who].labels[box] == structure for who in (first, second))
            rows.append(_pair(name, structure, (first, second), a, b, readers[first], box))
    return rows


def matched(reference: Labels, other: Labels) -> Labels:
    """Return label maps with the ids of the best-matching structures of the reference.

    One to one, by Dice (Hungarian method); structures without a partner get ids above all others.
    """
    table = count_pairs(reference, other)
    rows, width = len(table) - 1, table.shape[1]
    sizes = table.sum(axis=1)[1:, np.newaxis] + table.sum(axis=0)[1:]
    dice = 2 * table[1:, 1:] / np.maximum(sizes, 1)
    names = np.zeros(width, dtype=np.uint16)
    for row, column in zip(*linear_sum_assignment(dice, maximize=True), strict=True):
        if dice[row, column] > 0:
            names[column + 1] = row + 1
    following = rows
    for column in range(1, width):
        if not names[column] and table[:, column].any():
            following += 1
            names[column] = following
    found: Labels = names[other]
    return found


def _read(request: AgreementRequest) -> dict[str, dict[str, LabelStack]]:
    """Return volume → reader → stack, the model first, all on the model's slices."""
    settings = request.settings
    limits = request.spacing, settings.score_threshold, settings.max_voxels
    model = read_stacks(request.model, *limits)
    for stack in model:
        for line in stack.warnings():
            warn(line)
    known = all(stack.linked for stack in model)
    _, model = link_stacks(model, settings.link, LinkRule())
    volumes: dict[str, dict[str, LabelStack]] = {stack.name: {MODEL: stack} for stack in model}
    for path in request.annotators:
        own = read_stacks(path, request.spacing, max_voxels=settings.max_voxels)
        alike = known and all(stack.linked for stack in own)
        _, own = link_stacks(own, settings.link, LinkRule())
        found = pairs(model, own)
        if not found:
            names = ", ".join(sorted(volumes))
            raise InputError(f"{path}: has none of the volumes {names} of {request.model}")
        who = path.name.split(".")[0]
        for stack, other in found:
            placed = on_slices(other, stack, path, measured=True)
            if not alike:
                labels = matched(stack.labels, placed.labels)
                placed = placed.with_labels(labels, linked=True)
            name = who
            while name in volumes[stack.name]:
                name += "'"
            volumes[stack.name][name] = placed
    return {name: readers for name, readers in volumes.items() if len(readers) > 1}


def _pair(
    name: str,
    structure: int,
    who: tuple[str, str],
    a: NDArray[np.bool_],
    b: NDArray[np.bool_],
    stack: LabelStack,
    box: Box,
) -> PairRow:
    common, total = int(np.count_nonzero(a & b)), int(a.sum()) + int(b.sum())
    apart = surface_distance(a, b, stack.affine, stack.positions[box[0]] / stack.step)
    shares = stack.thickness()[box[0]] * stack.grid.pixel_mm2
    first, second = (float(one.sum(axis=(1, 2)) @ shares) for one in (a, b))
    return PairRow(
        name,
        structure,
        *who,
        dice=2 * common / total,
        surface_mean_mm=None if apart is None else apart.mean,
        hausdorff95_mm=None if apart is None else apart.hausdorff95,
        first_mm3=first,
        second_mm3=second,
        difference_mm3=first - second,
        difference_percent=100 * (first - second) / second if second else None,
    )


def _kappas(name: str, readers: Mapping[str, LabelStack]) -> list[KappaRow]:
    labels = {who: stack.labels for who, stack in readers.items()}
    boxes = [box for one in labels.values() for _, box in crop(one)]
    if not boxes:
        return []
    tight = _around(boxes)
    rooms = [round(_MARGIN * (side.stop - side.start) / 2) for side in tight]
    box = grown(tight, rooms, next(iter(labels.values())).shape)
    parts = {who: one[box] for who, one in labels.items()}
    rows = [
        KappaRow(name, f"{a} / {b}", foreground_kappa(contingency(parts[a], parts[b])), None)
        for a, b in combinations(parts, 2)
    ]
    annotators = {who: part for who, part in parts.items() if who != MODEL}
    for who, group in ((", ".join(parts), parts), (", ".join(annotators), annotators)):
        if len(group) > 1:
            rows.append(KappaRow(name, who, None, fleiss_kappa(list(group.values()))))
    return rows


def _around(boxes: Sequence[Box]) -> Box:
    starts = np.min([[side.start for side in box] for box in boxes], axis=0)
    stops = np.max([[side.stop for side in box] for box in boxes], axis=0)
    a, b, c = (slice(int(low), int(high)) for low, high in zip(starts, stops, strict=True))
    return a, b, c


def _means(rows: Sequence[PairRow]) -> list[dict[str, Any]]:
    found = []
    for pair in dict.fromkeys((row.first, row.second) for row in rows):
        own = [row for row in rows if (row.first, row.second) == pair]
        entry: dict[str, Any] = {"first": pair[0], "second": pair[1], "structures": len(own)}
        keys = ("dice", "surface_mean_mm", "hausdorff95_mm", "difference_mm3", "difference_percent")
        for key in keys:
            values = [value for row in own if (value := getattr(row, key)) is not None]
            entry[key] = float(np.mean(values)) if values else None
        found.append(entry)
    return found


def _times(settings: AgreementSettings, slices: int) -> dict[str, float | None]:
    model, annotation = settings.model_seconds, settings.annotation_seconds
    ratio = annotation / model if model and annotation is not None else None
    return {
        MODEL: None if model is None else model / slices,
        "annotation": None if annotation is None else annotation / slices,
        "times_as_fast": ratio,
    }


def _report(answer: dict[str, Any], out: Path) -> None:
    for line in answer["read"]:
        say(line)
    for mean in answer["means"]:
        apart = mean["surface_mean_mm"]
        distance = "–" if apart is None else f"{apart:.3f} mm"
        worst = "–" if apart is None else f"{mean['hausdorff95_mm']:.3f} mm"
        say(
            f"{mean['first']} / {mean['second']}: Dice {mean['dice']:.4f}, surfaces {distance} "
            f"apart (95 % Hausdorff {worst}), volume {mean['difference_mm3']:+.2f} mm3; means of "
            f"{mean['structures']}"
        )
    for row in answer["kappa"]:
        kind, value = (
            ("Cohen", row["cohen"]) if row["fleiss"] is None else ("Fleiss", row["fleiss"])
        )
        say(f"{kind}'s kappa, {row['volume']}, {row['readers']}: {value:.4f}".replace("s's", "s'"))
    times = answer["seconds_per_slice"]
    if times["times_as_fast"] is not None:
        say(
            f"time per slice: model {times['model']:.3g} s, annotation {times['annotation']:.3g} s,"
            f" {times['times_as_fast']:.3g} times as fast"
        )
    say(f"written to {out}")
