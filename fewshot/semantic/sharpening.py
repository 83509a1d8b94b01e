"""FeatUp on a trained semantic network: its decoder's features, upsampled guided by the slice."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from fewshot.config.semantic import SemanticSettings
from fewshot.config.semantic_training import SemanticTrainingSettings
from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.layers.featup import train_upsampler
from fewshot.progress import Advance, no_progress, progress
from fewshot.semantic.data import SemanticSamples, collate
from fewshot.semantic.networks import SemanticNetwork, build_network, pad_to_stride
from fewshot.semantic.prediction import load_semantic
from fewshot.training.batches import batches_of
from fewshot.training.devices import device_of
from fewshot.training.model_folder import TIME, describe_model, save_trained
from fewshot.training.sampling import TrainingSource


def train_featup(
    network: SemanticNetwork,
    samples: SemanticSamples,
    settings: SemanticSettings,
    seed: int,
    workers: int = 0,
    advance: Advance = no_progress,
) -> list[float]:
    """Train a network's upsampler with all else frozen; return the loss of each iteration.

    It uses only the slices of the samples, not their labels.
    """
    upsampler, iterations = network.upsampler, settings.experimental.featup
    if upsampler is None:
        raise ValueError("the network has no upsampler; settings.experimental.featup is 0")
    device = device_of(network)

    def levels() -> Iterator[Tensor]:
        batches = batches_of(samples, collate, settings.batch_size, 0, iterations, workers)
        for done, batch in enumerate(batches):
            advance(done, "")
            yield pad_to_stride(batch.slices, network.least_side).to(device) / 255

    return train_upsampler(upsampler, network.features, levels(), seed=seed)


def sharpen_model(
    source: Path,
    sources: Sequence[TrainingSource],
    given: SemanticTrainingSettings,
    iterations: int,
    out: Path,
) -> None:
    """Write a copy of a trained model with an upsampler of its features, trained on `sources`.

    The copy's training time includes both. Raises `InputError` if the network cannot use one.
    """
    description, spent = describe_model(source), read_json(source / TIME)
    plain, seed = load_semantic(source, given.device), given.seed
    values = plain.settings.model_dump()
    values["experimental"]["featup"] = iterations
    try:
        settings = SemanticSettings.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{source}: {plain.settings.network} cannot use FeatUp") from error
    torch.manual_seed(seed)
    network = build_network(settings)
    network.load_state_dict(plain.network.state_dict(), strict=False)
    network.to(device_of(plain.network)).eval()
    started, cpu_started = time.monotonic(), time.process_time()
    with progress(f"training the upsampler of {source.name}", iterations) as advance:
        samples = SemanticSamples(sources, settings, given.augmentation, seed, plain.preprocess)
        train_featup(network, samples, settings, seed, given.training.workers, advance)
    spent["seconds"] += time.monotonic() - started
    spent["cpu_seconds"] += time.process_time() - cpu_started
    write_json(out / TIME, spent)
    save_trained(
        replace(plain, network=network.eval(), settings=settings),
        out,
        description.iterations,
        description.validation,
        {"job": sharpening_key(source, iterations)},
    )


def sharpening_key(source: Path, iterations: int) -> str:
    """Return the identity of a copy of a model with an upsampler."""
    job = describe_model(source).training.get("job")
    text = json.dumps([job, iterations], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
