"""IoU and Dice of the foreground in training, by batch and by epoch."""

from collections.abc import Sequence

from torch import Tensor

from fewshot.metrics.contingency import ForegroundCounts


class EpochMetrics:
    """Foreground counts of each epoch, a pass over the training slices."""

    def __init__(self, slices: int) -> None:
        self._length = slices
        self.reset()

    def reset(self) -> None:
        """Start an epoch."""
        self._counts, self._taken = ForegroundCounts(), 0

    def add(self, counts: ForegroundCounts, slices: int) -> dict[str, float]:
        """Add slices; at the end of an epoch return its IoU and Dice for the curves."""
        self._counts, self._taken = self._counts + counts, self._taken + slices
        if self._taken < self._length:
            return {}
        whole = self._counts
        self.reset()
        return {"epoch/iou": whole.iou, "epoch/dice": whole.dice}

    def content(self) -> list[int]:
        """Return the state for a checkpoint."""
        return [self._taken, self._counts.common, self._counts.truth, self._counts.prediction]

    def restore(self, content: Sequence[int]) -> None:
        """Continue from what `content` returned."""
        self._taken, self._counts = content[0], ForegroundCounts(*content[1:])


def count_foreground(logits: Tensor, targets: Tensor, weights: Tensor) -> ForegroundCounts:
    """Count the true and predicted foreground pixels of a batch, ignoring those of weight 0.

    Logits and targets are (n, outputs, height, width), weights (n, 1, height, width).
    """
    counted = weights[:, 0] > 0
    truth = (targets[:, 0] > 0) & counted
    found = (logits[:, 0] > 0) & counted
    return ForegroundCounts(int((truth & found).sum()), int(truth.sum()), int(found.sum()))
