"""What the files of a run directory are called; models and sets of slices are in `config.names`."""

from typing import Final

RESOLVED: Final = "config.resolved.yaml"  # the settings a run was made with; tells a run directory
RECORD: Final = "stage.json"  # what a stage did, in its folder
WEIGHTS: Final = "weights.json"  # each radiologist's weight
ANNOTATIONS: Final = "annotations.json"  # soft labels
UNCERTAIN: Final = "uncertain.json"  # masks that training ignores
ASSIGNMENT: Final = "assignment.json"  # which radiologist read which slices
AUDIT: Final = "audit.json"  # what the soft labels look like
SUBMISSION: Final = "submission.csv"
METRICS: Final = "metrics.json"
REPORT: Final = "report.html"
