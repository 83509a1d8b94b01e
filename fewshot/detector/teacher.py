"""A teacher that follows its student: soft labels renewed while a model trains.

The teacher is the running mean of the student's weights. It sees a soft-labelled slice before its
grey levels are changed, and what it is sure of becomes the slice's labels for this one step.

Source: Y.-C. Liu et al., Unbiased teacher for semi-supervised object detection, ICLR 2021.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.config.tree import TeacherSettings
from fewshot.detector.copy_paste import Truth
from fewshot.detector.data import Sample, to_instances
from fewshot.progress import warn

_WINDOW = 200  # slices over which the teacher's masks are counted


@dataclass(frozen=True)
class Renewal:
    """How soft labels are renewed.

    Attributes:
        settings: when, from which score, and for how long without getting better.
        most_masks: masks a slice above which the teacher has run away.
    """

    settings: TeacherSettings
    most_masks: float


class Teacher:
    """Labels samples anew, until it runs away or stops getting better."""

    def __init__(self, renewal: Renewal, network: Callable[[], nn.Module]) -> None:
        """`network` returns the network that teaches, as it is now."""
        self._renewal = renewal
        self._network = network
        self._counts: deque[int] = deque(maxlen=_WINDOW)
        self._best = -1.0
        self._worse = 0
        self._stopped = False

    def relabel(self, batch: list[Sample], iteration: int) -> list[Sample]:
        """Return the batch, with the teacher's labels on samples that have a weak image."""
        settings = self._renewal.settings
        chosen = [place for place, sample in enumerate(batch) if "weak_image" in sample]
        if self._stopped or iteration < settings.burn_in or not chosen:
            return batch
        outputs = self._look([batch[place] for place in chosen])
        batch = list(batch)
        for place, output in zip(chosen, outputs, strict=True):
            batch[place] = self._taught(batch[place], output["instances"].to("cpu"))
        self._guard(iteration)
        return batch

    def judge(self, score: float, iteration: int) -> None:
        """Note the teacher's score on the validation slices; stop when it stays below its best."""
        if self._stopped or iteration < self._renewal.settings.burn_in:
            return
        self._worse = 0 if score > self._best else self._worse + 1
        self._best = max(self._best, score)
        if self._worse >= self._renewal.settings.patience:
            self._stop(f"no better on the validation slices for {self._worse} evaluations")

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training must know."""
        return {
            "counts": list(self._counts),
            "best": self._best,
            "worse": self._worse,
            "stopped": self._stopped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self._counts = deque(state["counts"], maxlen=_WINDOW)
        self._best, self._worse = state["best"], state["worse"]
        self._stopped = state["stopped"]

    def _look(self, samples: list[Sample]) -> list[dict[str, Any]]:
        network = self._network().eval()
        inputs = [
            {"image": one["weak_image"], "height": one["height"], "width": one["width"]}
            for one in samples
        ]
        with torch.inference_mode():
            outputs: list[dict[str, Any]] = network(inputs)
        return outputs

    def _taught(self, sample: Sample, found: Any) -> Sample:
        settings = self._renewal.settings
        masks, scores = found.pred_masks.numpy().astype(np.uint8), found.scores.float().numpy()
        certain = scores >= settings.score_threshold
        unsure = ~certain & (scores >= (settings.uncertain or np.inf))
        self._counts.append(int(certain.sum()))
        weights = np.ones(int(certain.sum()), dtype=np.float32)
        truth = Truth(masks[certain], weights, masks[unsure])
        size = (sample["height"], sample["width"])
        return {**sample, "instances": to_instances(truth, size)}

    def _guard(self, iteration: int) -> None:
        if len(self._counts) < _WINDOW or self._stopped:
            return
        mean = float(np.mean(self._counts))
        if mean > self._renewal.most_masks:
            self._stop(f"{mean:.1f} masks a slice at iteration {iteration}, they run away")

    def _stop(self, reason: str) -> None:
        self._stopped = True
        warn(f"soft labels are not renewed any more: {reason}")
