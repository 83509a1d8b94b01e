"""The work of `fewshot semantic`, as functions from files to files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from fewshot.config.names import TRAIN, UNLABELLED, VALIDATION
from fewshot.config.semantic import NetworkName, RegionMethod
from fewshot.config.semantic_training import SemanticTrainingSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet, check_images, read_coco, write_coco
from fewshot.progress import progress, say

if TYPE_CHECKING:
    from fewshot.semantic.comparison import FinishedModel


def train(data: Path, settings: SemanticTrainingSettings, out: Path) -> None:
    """Train a semantic network on a folder's `train.json`, and evaluate it on `validation.json`.

    With `model.consistency` it also learns from `unlabelled.json`.
    """
    from fewshot.semantic.training import SemanticTask
    from fewshot.training.job import TrainingJob
    from fewshot.training.loop import train as train_on
    from fewshot.training.sampling import TrainingSource

    unlabelled = None
    if settings.model.learns_unlabelled:
        unlabelled = check_images(read_coco(data / UNLABELLED))
    job = TrainingJob(
        name=settings.model.network,
        sources=[TrainingSource(_labelled(data / TRAIN))],
        validation=_labelled(data / VALIDATION),
        settings=settings.model,
        augmentation=settings.augmentation,
        schedule=settings,
        seed=settings.seed,
        unlabelled=unlabelled,
        preprocess=settings.preprocess,
        loop=settings.training,
        device=settings.device,
        logging=settings.logging,
        logs=out / "tensorboard",
    )
    with progress(f"training {job.name}", settings.iterations) as advance:
        scores = train_on(SemanticTask(job), out, advance, replace=False).best
    say(f"{job.name}: validation AP {scores['ap']:.3f}, AP50 {scores['ap50']:.3f}")


def predict(
    model: Path, slices: SliceSet, target: Path, regions: RegionMethod | None, device: str
) -> int:
    """Write a network's regions on slices as COCO with scores; return their number.

    `regions` is the method to find them; by default that of the network's settings.
    """
    from fewshot.semantic.prediction import load_semantic, predict_slices, with_regions

    check_images(slices)
    network = load_semantic(model, device)
    if regions is not None:
        network = with_regions(network, regions)
    with progress(f"predicting {target.stem} with {network.name}", len(slices)) as advance:
        masks = list(predict_slices(network, slices, advance))
    write_coco(target, slices.with_masks(masks), f"predictions of {network.name}")
    return sum(len(one) for one in masks)


@dataclass(frozen=True)
class Request:
    """The options of `fewshot semantic compare`; `networks` are unchecked names."""

    data: Path
    test: Path
    networks: Sequence[str]
    gafl: Sequence[bool]
    featup: Sequence[bool]
    final: "FinishedModel | None"
    append: bool = False


def compare(
    request: Request, settings: SemanticTrainingSettings, out: Path
) -> list[dict[str, Any]]:
    """Compare networks; return the rows of the table. See `comparison.compare`."""
    from fewshot.semantic import comparison

    for name in request.networks:
        if name not in get_args(NetworkName):
            known = ", ".join(get_args(NetworkName))
            raise InputError(f"--networks: unknown network {name!r}; there are {known}")
    what = comparison.Comparison(
        train=_labelled(request.data / TRAIN),
        validation=_labelled(request.data / VALIDATION),
        test=_labelled(request.test),
        settings=settings,
        networks=cast(Sequence[NetworkName], request.networks),
        gafl=request.gafl,
        featup=request.featup,
    )
    rows = comparison.compare(what, out, request.final, request.append)
    return [vars(row) for row in rows]


def _labelled(path: Path) -> SliceSet:
    slices = check_images(read_coco(path))
    if not any(len(slices.masks_of(record.image_id)) for record in slices.records):
        raise InputError(f"{path}: contains no labelled slices")
    return slices
