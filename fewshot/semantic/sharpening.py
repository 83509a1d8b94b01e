"""FeatUp on a trained semantic network: its decoder's features, upsampled guided by the slice."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from fewshot.config.semantic import SemanticSettings
from fewshot.semantic.data import SemanticSamples, training_batches
from fewshot.semantic.networks import SemanticNetwork, pad_to_stride
from fewshot.torch_tools.device import resolve_device
from fewshot.torch_tools.featup import train_upsampler
from fewshot.torch_tools.samples import TrainingSource


def train_featup(
    network: SemanticNetwork,
    sources: Sequence[TrainingSource],
    settings: SemanticSettings,
    seed: int,
) -> list[float]:
    """Train a network's upsampler, all else frozen; return the loss of each iteration.

    It needs no labels: only the slices of the sources are looked at, in the order and with the
    augmentation of a training of that seed.
    """
    upsampler, featup = network.upsampler, settings.featup
    if upsampler is None:
        raise ValueError("the network has no upsampler; settings.featup.iterations is 0")
    device = resolve_device(settings.device)

    def levels() -> Iterator[Tensor]:
        samples = SemanticSamples(sources, settings, seed)
        for batch in training_batches(
            samples, settings.batch_size, 0, featup.iterations, settings.workers
        ):
            yield pad_to_stride(batch.slices, network.least_side).to(device) / 255

    return train_upsampler(
        upsampler,
        network.features,
        levels(),
        learning_rate=featup.learning_rate,
        views=featup.views,
        channels=featup.channels,
        seed=seed,
    )
