"""The kinds of prompts of a comparison or a study."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.sam.prompt_sampling import Task, whole_task
from fewshot.sam.prompts import points_prompt, tight_boxes, whole_slice

BoxKind = Literal["none", "tight", "whole"]
BOX_KINDS: tuple[BoxKind, ...] = ("none", "tight", "whole")


@dataclass(frozen=True)
class StudyPrompt:
    """Interior points of a structure, and no box, a tight one, or one over the whole slice.

    A box around the slice without points stands for the union of all its labels.
    """

    points: int
    box: BoxKind

    def __post_init__(self) -> None:
        if self.points < 0 or (self.points == 0 and self.box == "none"):
            raise InputError("prompt: give points, a box, or both")

    @property
    def name(self) -> str:
        """The name of the prompt, such as `5 points, tight box`."""
        points = "" if not self.points else f"{self.points} point{'s' * (self.points > 1)}"
        box = "" if self.box == "none" else f"{self.box} box"
        return ", ".join(part for part in (points, box) if part)

    def task(self, masks: NDArray[np.bool_]) -> Task:
        """Return the prompts for a slice's structures, bool (n, height, width)."""
        if self.box == "whole" and not self.points:
            return whole_task(masks)
        boxes = None
        if self.box == "tight":
            boxes = tight_boxes(masks)
        elif self.box == "whole":
            boxes = np.repeat(whole_slice(*masks.shape[1:]), len(masks), axis=0)
        return Task(points_prompt(masks, self.points, boxes), masks)
