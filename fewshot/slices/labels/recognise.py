"""Recognising the form of labels."""

from collections.abc import Callable
from pathlib import Path

from fewshot.errors import InputError
from fewshot.slices.found import what_is_there
from fewshot.slices.labels.check import PLAIN, LabelRules
from fewshot.slices.labels.label_arrays import ArrayLabels
from fewshot.slices.labels.label_images import ImageLabels
from fewshot.slices.labels.label_nifti import NiftiLabels
from fewshot.slices.labels.source import LabelSource
from fewshot.slices.labels.table import TableLabels
from fewshot.slices.sources.array_files import is_array
from fewshot.slices.sources.image_folder import is_image_folder
from fewshot.slices.sources.nifti import is_nifti
from fewshot.slices.sources.recognise import check_one_kind
from fewshot.slices.sources.source import SliceSource

Opener = Callable[[Path, SliceSource, LabelRules], LabelSource]

FORMS: tuple[tuple[Callable[[Path], bool], Opener], ...] = (
    (lambda path: path.name.lower().endswith((".csv", ".csv.gz")), TableLabels),
    (is_nifti, NiftiLabels),
    (is_array, ArrayLabels),
    (is_image_folder, ImageLabels),
)


def open_labels(path: Path, source: SliceSource, rules: LabelRules = PLAIN) -> LabelSource:
    """Return the labels in a file or folder for the slices of `source`.

    Raises `InputError` naming the path when no form fits, or the labels are for other slices.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    check_one_kind(path, ("NIfTI", "NumPy", "image"))
    for fits, opener in FORMS:
        if fits(path):
            return opener(path, source, rules)
    raise InputError(
        f"{path}: no labels in it that are read (it {what_is_there(path)}); give a label CSV, COCO,"
        " label images, .npy, .npz or NIfTI files, or the one folder that they lie in"
    )
