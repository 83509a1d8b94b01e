"""Names that the settings, files and reports of a run share."""

from typing import Final

# Models. The control learns from labelled slices only; there, a twin replaces a radiologist.
FINAL: Final = "final"
CONTROL: Final = "control"
WATERSHED: Final = "watershed"
TWIN: Final = "control-"

# COCO files of slices.
TRAIN: Final = "train.json"
VALIDATION: Final = "validation.json"
UNLABELLED: Final = "unlabelled.json"
TEST: Final = "test.json"

WEIGHTS_FOLDER_VARIABLE: Final = "FEWSHOT_WEIGHTS"
"""The environment variable that names a folder of published weights."""

REVIEW: Final = "review.json"  # a person's decisions on soft labels


def is_radiologists_name(name: str) -> bool:
    """Whether a model of this name is a radiologist, not the final model, a control or a twin."""
    return name not in (FINAL, CONTROL, WATERSHED) and not name.startswith(TWIN)
