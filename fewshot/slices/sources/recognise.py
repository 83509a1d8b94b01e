"""Which form a path holds."""

from collections.abc import Callable
from pathlib import Path

from fewshot.errors import InputError
from fewshot.slices.found import what_is_there
from fewshot.slices.sources.array_files import ArrayStack, is_array
from fewshot.slices.sources.dicom import DicomSeries, is_dicom
from fewshot.slices.sources.image_folder import ImageFolder, is_image_folder
from fewshot.slices.sources.nifti import NiftiVolumes, is_nifti
from fewshot.slices.sources.source import SliceSource

Opener = Callable[[Path, str, bool], SliceSource]

# Asked in this order; a new form is a row. DICOM is last: its files need no suffix, so that the
# files of a whole tree may have to be opened.
FORMS: tuple[tuple[Callable[[Path], bool], Opener], ...] = (
    (is_nifti, lambda path, axis, skip_bad: NiftiVolumes(path, axis or "axial", skip_bad)),
    (is_array, lambda path, axis, skip_bad: ArrayStack(_flat(path, axis), skip_bad)),
    (is_image_folder, lambda path, axis, skip_bad: ImageFolder(_flat(path, axis), skip_bad)),
    (is_dicom, lambda path, axis, skip_bad: DicomSeries(_flat(path, axis), skip_bad)),
)


def open_source(path: Path, axis: str = "", skip_bad: bool = False) -> SliceSource:
    """Return the slices of a file or folder of any form.

    `axis` is axial, coronal, sagittal or an array axis, for volumes that can be cut along any.
    With `skip_bad` files that cannot be read are passed over and listed in `skipped`.
    Raises `InputError` naming the path when no form fits or, without `skip_bad`, a file is bad.
    """
    if not path.exists():
        raise InputError(f"{path}: not a readable folder or file (it is not there)")
    try:
        for fits, opener in FORMS:
            if fits(path):
                return opener(path, axis, skip_bad)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    raise InputError(
        f"{path}: {what_is_there(path)}, no image that is read; give PNG, JPEG, TIFF, .npy, .npz,"
        " NIfTI or DICOM files, or the one folder that they lie in"
    )


def _flat(path: Path, axis: str) -> Path:
    if axis:
        raise InputError(f"{path}: --axis {axis} is for NIfTI volumes; leave it out")
    return path
