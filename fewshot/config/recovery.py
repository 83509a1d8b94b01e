"""What a training does when its numbers go wrong."""

from typing import Annotated

from pydantic import Field

from fewshot.config.base import Settings


class RecoverySettings(Settings):
    """Going back to the last checkpoint, at a lower rate, when a loss or gradient is no number.

    Without `retries` the training stops there and says so.
    """

    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """How often a training goes back to its last checkpoint when a number is NaN or infinite."""
    rate_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What the learning rate is multiplied by each time."""
