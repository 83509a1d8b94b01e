"""Consistency training on unlabelled slices, with the moving average of the weights as teacher.

The teacher predicts the slice; the network must predict the same on the slice with other grey
levels and a part of another slice pasted in. Pixels where the teacher is not confident are ignored.

Sources: A. Tarvainen and H. Valpola, Mean teachers are better role models, NIPS 2017; G. French et
al., Semi-supervised semantic segmentation needs strong, varied perturbations, BMVC 2020 (CutMix).
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewshot.config.preprocessing import AS_READ, PreprocessSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import AugmentationSettings
from fewshot.masks.coco import SliceSet
from fewshot.semantic.data import Batch, SemanticSamples
from fewshot.training.sampling import TrainingSource

_RAMP = 0.25  # of the iterations, after the burn-in: until the loss has its full weight
_CONTRAST, _BRIGHTNESS, _GAMMA, _NOISE = 0.3, 0.12, 0.4, 0.03  # largest, of 1 and of 255
_BLURRED = 0.3  # how often
_PASTED = 0.1, 0.5  # smallest and largest part of a slice


class Consistency:
    """Inputs and targets of a semantic network on unlabelled slices.

    They depend only on the seed and the iteration, so that a training resumes exactly.
    """

    def __init__(
        self,
        slices: SliceSet,
        settings: SemanticSettings,
        augmentation: AugmentationSettings,
        seed: int,
        iterations: int,
        preprocess: PreprocessSettings = AS_READ,
    ) -> None:
        self._settings, self._seed, self._iterations = settings, seed, iterations
        # Another seed than the labelled slices': their changes are not to go in step.
        self._samples = SemanticSamples(
            [TrainingSource(slices)], settings, augmentation, seed + 1_000_003, preprocess
        )

    def at(self, position: int) -> Batch | None:
        """Return the sample at a position from 0; None in the burn-in."""
        iteration = position // self._settings.batch_size
        return self._samples[position] if self.weight_at(iteration) > 0 else None

    def weight_at(self, iteration: int) -> float:
        """Return the weight of the loss on these slices at an iteration from 0."""
        own = self._settings.consistency
        climbed = (iteration / self._iterations - own.burn_in) / _RAMP
        return own.weight * min(1.0, max(0.0, climbed))

    def task(self, mean: nn.Module, batch: Batch, iteration: int) -> Batch:
        """Return the network's inputs, and as targets the predictions of the teacher `mean`.

        Targets are 0 or 1; weights are 1 where the teacher is confident of all outputs, else 0.
        `mean` is left in evaluation mode.
        """
        rng = np.random.default_rng([self._seed, 2, iteration])
        with torch.no_grad():
            said = mean.eval()(batch.slices).float().sigmoid()
        # Every slice is given a part of the one before it.
        part = rectangles(len(said), said.shape[-2], said.shape[-1], rng).to(said.device)
        said = torch.where(part, said.roll(1, 0), said)
        shown = torch.where(part, batch.slices.roll(1, 0), batch.slices)
        sure = (
            (said >= self._settings.consistency.confidence_threshold) | (said <= self._other_side)
        ).all(1)
        return Batch(
            recoloured(shown, rng), (said > 0.5).float(), sure[:, None].float(), batch.names
        )

    @property
    def _other_side(self) -> float:
        return 1 - self._settings.consistency.confidence_threshold


def rectangles(count: int, height: int, width: int, rng: np.random.Generator) -> Tensor:
    """Return masks, bool (count, 1, height, width), each of one rectangle of 10 to 50 % of it."""
    masks = torch.zeros(count, 1, height, width, dtype=torch.bool)
    for mask in masks:
        area, ratio = rng.uniform(*_PASTED) * height * width, rng.uniform(0.5, 2.0)
        rows = min(height, max(1, round((area * ratio) ** 0.5)))
        columns = min(width, max(1, round((area / ratio) ** 0.5)))
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        mask[:, top : top + rows, left : left + columns] = True
    return masks


def recoloured(slices: Tensor, rng: np.random.Generator) -> Tensor:
    """Return slices, float32 (n, channels, height, width) from 0 to 255, with other grey levels.

    Contrast, brightness and gamma change, some are blurred, and noise is added.
    """
    count = len(slices)

    def drawn(largest: float) -> Tensor:
        values = rng.uniform(-largest, largest, (count, 1, 1, 1)).astype(np.float32)
        return torch.from_numpy(values).to(slices.device)

    changed = (slices * (1 + drawn(_CONTRAST)) / 255 + drawn(_BRIGHTNESS)).clamp(0, 1)
    changed = changed ** drawn(_GAMMA).exp()
    blurred = functional.avg_pool2d(changed, 3, stride=1, padding=1, count_include_pad=False)
    chosen = torch.from_numpy(rng.random((count, 1, 1, 1)) < _BLURRED).to(slices.device)
    changed = torch.where(chosen, blurred, changed)
    noise = rng.standard_normal(slices.shape, dtype=np.float32)
    return 255 * (changed + drawn(_NOISE) * torch.from_numpy(noise).to(slices.device))
