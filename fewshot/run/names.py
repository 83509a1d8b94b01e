"""What the files of a run directory are called; the words of `config.names` belong to them."""

from typing import Final

from fewshot.config.names import (
    CONTROL,
    FINAL,
    REVIEW,
    TEST,
    TRAIN,
    TWIN,
    UNLABELLED,
    VALIDATION,
    WATERSHED,
    is_radiologists_name,
)

__all__ = [
    "ANNOTATIONS",
    "ASSIGNMENT",
    "AUDIT",
    "CONTROL",
    "FINAL",
    "METRICS",
    "RECORD",
    "REPORT",
    "RESOLVED",
    "REVIEW",
    "SUBMISSION",
    "TEST",
    "TRAIN",
    "TWIN",
    "UNCERTAIN",
    "UNLABELLED",
    "VALIDATION",
    "WATERSHED",
    "WEIGHTS",
    "is_radiologists_name",
]

RESOLVED: Final = "config.resolved.yaml"  # the settings a run was made with; tells a run directory
RECORD: Final = "stage.json"  # what a stage did, in its folder
WEIGHTS: Final = "weights.json"  # how far each radiologist is trusted
ANNOTATIONS: Final = "annotations.json"  # soft labels
UNCERTAIN: Final = "uncertain.json"  # masks that training ignores
ASSIGNMENT: Final = "assignment.json"  # which radiologist read which slices
AUDIT: Final = "audit.json"  # what the soft labels look like
SUBMISSION: Final = "submission.csv"
METRICS: Final = "metrics.json"
REPORT: Final = "report.html"
