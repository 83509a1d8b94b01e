"""Names of the files in a run directory; those of models and sets are in `config.names`."""

from typing import Final

RESOLVED: Final = "config.resolved.yaml"  # the settings of the run; marks a run directory
RECORD: Final = "stage.json"  # the record of a stage, in its folder
WEIGHTS: Final = "weights.json"  # each radiologist's weight
ANNOTATIONS: Final = "annotations.json"  # soft labels
UNCERTAIN: Final = "uncertain.json"  # masks that training ignores
ASSIGNMENT: Final = "assignment.json"  # which radiologist labels which slices
AUDIT: Final = "audit.json"  # statistics of the soft labels
SUBMISSION: Final = "submission.csv"
METRICS: Final = "metrics.json"
REPORT: Final = "report.html"
