"""The vocabulary that settings, files and reports of a run share, each word defined once."""

from typing import Final

# Models. The control learns from labelled slices alone; a radiologist's twin takes its part there.
FINAL: Final = "final"
CONTROL: Final = "control"
WATERSHED: Final = "watershed"
TWIN: Final = "control-"

# COCO files of slices.
TRAIN: Final = "train.json"
VALIDATION: Final = "validation.json"
UNLABELLED: Final = "unlabelled.json"
TEST: Final = "test.json"

REVIEW: Final = "review.json"  # what a person decided of soft labels


def is_radiologists_name(name: str) -> bool:
    """Whether a model of this name is a radiologist, and none of what it is compared with."""
    return name not in (FINAL, CONTROL, WATERSHED) and not name.startswith(TWIN)
