"""Every setting of every kind of network: change it and go on, and nothing is silently kept.

Either the model is trained again, or the new value is what its description and its answers follow
from, or no result depends on it. The settings are found by walking their classes.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from fewshot.config.base import Settings
from fewshot.config.leaves import leaves
from fewshot.config.network import ScheduleSettings
from fewshot.config.preprocessing import PreprocessSettings
from fewshot.masks.coco import SliceSet
from fewshot.training.job import TrainingJob, identity
from fewshot.training.loop import train
from fewshot.training.model_folder import describe_model, described
from fewshot.training.sampling import TrainingSource
from tests.training.conftest import KINDS, task_of

MakeJob = Callable[..., TrainingJob]
# Settings under which every other setting may have several values.
ROOMY: dict[str, dict[str, Any]] = {
    "mask_rcnn": {},
    "semantic": {
        "network": "deeplabv3plus",
        "ema": 0.9,
        "regions": {"method": "components", "opening": 2},
    },
    "sam": {},
}
WORDS: dict[str, Any] = {
    "architecture": "mask_rcnn_R_50_FPN_3x",
    "encoder": "resnet18",
    "mlflow": "http://x",
    "mask_source": "fine",
    "refine_with": "fine",
    "score_threshold": 0.4,
}
# The files of weights are digested themselves; where a network computes is no part of what it is.
ASIDE = ("weights", "device", "kind")


def variants(settings: Settings) -> Iterator[tuple[str, str, Settings]]:
    """Yield each setting, what depends on it, and the settings with another value of it."""
    for leaf in leaves(type(settings)):
        if leaf.key not in ASIDE and "[]" not in leaf.path:
            yield (
                leaf.path,
                leaf.use,
                varied(settings, leaf.path.split("."), leaf.field.annotation),
            )


def varied(settings: Settings, path: list[str], annotation: Any) -> Settings:
    """Return settings with another value of the one at a path."""
    values = settings.model_dump()
    place = values
    for key in path[:-1]:
        place = place[key]
    old = place[path[-1]]
    for value in _others(path[-1], old, annotation):
        place[path[-1]] = value
        try:
            changed = type(settings).model_validate(values)
        except ValidationError:
            continue
        if changed != settings:
            return changed
    raise AssertionError(f"{'.'.join(path)}: no other value than {old!r} was found")


def _others(key: str, old: Any, annotation: Any) -> list[Any]:
    literals = [one for part in (annotation, *get_args(annotation)) for one in _literals(part)]
    if isinstance(old, bool):
        return [not old]
    if isinstance(old, tuple):
        return [("MODEL.RPN.NMS_THRESH", 0.6), ({},)]
    number = old if isinstance(old, int | float) else 64
    near = [number + 1, number / 2, number - 1, number + 0.25, number / 2 + 0.3]
    return [*literals, WORDS.get(key, ""), *near]


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def digest(job: TrainingJob) -> str:
    return identity(job, [], "fewshot.training.loop")


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_decides_what_it_is_said_to(kind: str, make_job: MakeJob) -> None:
    job = make_job(kind, ROOMY[kind])
    seen = set()
    for path, use, settings in variants(job.settings):
        changed = replace(job, settings=settings)  # type: ignore[arg-type]
        assert (digest(changed) != digest(job)) == (use == "training"), path
        assert (described(settings) != described(job.settings)) == (use != "nothing"), path
        seen.add(use)
    assert seen == {"training", "prediction"}  # what decides nothing is in the loop's settings


@pytest.mark.parametrize("kind", KINDS)
def test_every_other_setting_of_a_job_decides_or_is_marked(kind: str, make_job: MakeJob) -> None:
    """Augmentation, schedule, preprocessing and whatever else a job has; but no logs."""
    job = make_job(kind)
    held = {one.name: getattr(job, one.name) for one in fields(job) if one.name != "settings"}
    for name, settings in held.items():
        if isinstance(settings, Settings) and not isinstance(settings, PreprocessSettings):
            for path, use, other in variants(settings):
                changes: dict[str, Any] = {name: other}
                same = digest(replace(job, **changes)) == digest(job)
                assert same == (use == "nothing" or name == "logging"), f"{name}.{path}"


def test_everything_else_that_a_training_is_made_from_decides(
    make_job: MakeJob, miniature: SliceSet, tmp_path: Path
) -> None:
    job = make_job("semantic")
    source = job.sources[0]
    clahe = PreprocessSettings.model_validate(["clahe"])
    more = [
        replace(job, name="other"),
        replace(job, seed=6),
        replace(job, preprocess=clahe),
        replace(job, validation=miniature.subset([1])),
        replace(job, unlabelled=miniature.subset([4])),
        replace(job, sources=[replace(source, share=0.5)]),
        replace(job, sources=[replace(source, score_weighted=True)]),
        replace(job, sources=[replace(source, uncertain=miniature.subset([0]))]),
        replace(job, sources=[TrainingSource(source.slices.with_masks([]))]),
        replace(job, sources=[source, source]),
    ]
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    starts = [[], [tmp_path / "one"], [tmp_path / "two"], [tmp_path / "one", tmp_path / "two"]]
    modules = "fewshot.training.loop", "fewshot.detector.training"
    digests = [digest(one) for one in (job, *more)]
    digests += [identity(job, start, *modules) for start in starts]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_of_prediction_alone_are_taken_over_without_training(
    kind: str, make_job: MakeJob, tmp_path: Path
) -> None:
    """For each of them: the weights stay, the description and the scores follow the new value."""
    short = ScheduleSettings(learning_rate=0.01, iterations=2)
    job = make_job(kind, ROOMY[kind], schedule=short)
    train(task_of(job), tmp_path)
    weights, description = (tmp_path / "model.pth").read_bytes(), describe_model(tmp_path)
    seen: list[int] = []
    for path, use, settings in variants(job.settings):
        if use == "training":
            continue
        changed = replace(job, settings=settings)  # type: ignore[arg-type]
        found = train(task_of(changed), tmp_path, lambda done, _: seen.append(done))
        assert (tmp_path / "model.pth").read_bytes() == weights, path
        now = describe_model(tmp_path)
        assert now.settings == described(settings), path
        assert now.training == description.training, path
        assert found.best == now.validation, path
    assert seen == []
    again = train(task_of(job), tmp_path)
    assert describe_model(tmp_path) == description
    assert again.best == description.validation


@pytest.mark.parametrize("kind", KINDS)
def test_marks_are_honest(kind: str, make_job: MakeJob, tmp_path: Path) -> None:
    """All settings that are said not to decide a training, changed at once: the same weights."""
    short = ScheduleSettings(learning_rate=0.01, iterations=2)
    job = make_job(kind, ROOMY[kind], schedule=short)
    changes: dict[str, Any] = {"settings": job.settings, "loop": job.loop}
    for name, settings in changes.items():
        for leaf in leaves(type(settings)):
            if leaf.use != "training" and leaf.path != "workers":  # see test_loop
                path = leaf.path.split(".")
                changes[name] = varied(changes[name], path, leaf.field.annotation)
    train(task_of(job), tmp_path / "one")
    train(task_of(replace(job, **changes)), tmp_path / "other")
    one, other = ((tmp_path / name / "model.pth").read_bytes() for name in ("one", "other"))
    assert one == other
