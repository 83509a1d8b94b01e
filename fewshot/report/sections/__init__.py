"""The sections of a run's report in order; a new one is a file here and a line below."""

from fewshot.report.html import Section
from fewshot.report.results import RunResults
from fewshot.report.sections.answer import ANSWER
from fewshot.report.sections.merging import MERGING
from fewshot.report.sections.overlaps import OVERLAPS
from fewshot.report.sections.radiologists import RADIOLOGISTS
from fewshot.report.sections.reproduce import REPRODUCE
from fewshot.report.sections.settings import SETTINGS
from fewshot.report.sections.slices import SLICES
from fewshot.report.sections.soft_labels import SOFT_LABELS
from fewshot.report.sections.training import TRAINING

SECTIONS: tuple[Section[RunResults], ...] = (
    ANSWER,
    SETTINGS,
    TRAINING,
    RADIOLOGISTS,
    SOFT_LABELS,
    MERGING,
    OVERLAPS,
    SLICES,
    REPRODUCE,
)
