"""Recognising the form of images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fewshot.errors import InputError
from fewshot.slices.found import is_hidden, what_is_there
from fewshot.slices.images import name_a_few
from fewshot.slices.remarks import collecting
from fewshot.slices.sources.array_files import ArrayStack, is_array
from fewshot.slices.sources.dicom import DicomSeries, is_dicom
from fewshot.slices.sources.image_folder import ImageFolder, is_image_folder
from fewshot.slices.sources.nifti import NiftiVolumes, is_nifti
from fewshot.slices.sources.source import SliceSource

Opener = Callable[[Path, str, bool, str], SliceSource]


_MOST_DEEPER = 5000


@dataclass(frozen=True)
class Form:
    """A form of images: its name, how to recognise it, and how to read it.

    `fits` recognises a file; `open` gets the path, the axis, whether to skip bad files, and the
    channel.
    """

    name: str
    fits: Callable[[Path], bool]
    open: Opener


# Tried in this order; a new form is a row. DICOM is last: its files need no suffix, so that a whole
# tree of files may have to be opened.
FORMS: tuple[Form, ...] = (
    Form(
        "NIfTI",
        is_nifti,
        lambda path, axis, skip_bad, channel: NiftiVolumes(
            path, axis or "axial", skip_bad, channel
        ),
    ),
    Form(
        "NumPy",
        is_array,
        lambda path, axis, skip_bad, channel: ArrayStack(_flat(path, axis, channel), skip_bad),
    ),
    Form(
        "image",
        is_image_folder,
        lambda path, axis, skip_bad, channel: ImageFolder(_flat(path, axis, channel), skip_bad),
    ),
    Form(
        "DICOM",
        is_dicom,
        lambda path, axis, skip_bad, channel: DicomSeries(_flat(path, axis, channel), skip_bad),
    ),
)


def open_source(
    path: Path, axis: str = "", skip_bad: bool = False, channel: str = ""
) -> SliceSource:
    """Return the slices of a file or folder of any form.

    `axis` is axial, coronal, sagittal or an array axis, for volumes that can be cut along any;
    `channel` selects a channel of each case. With `skip_bad`, unreadable files are skipped and
    listed in `skipped`. Other files in a folder are mentioned in `notes`.
    Raises `InputError` naming the path when no form fits, a folder contains several forms, or,
    without `skip_bad`, a file is bad.
    """
    if not path.exists():
        raise InputError(f"{path}: not a readable folder or file (it is not there)")
    try:
        form = _form_of(path)
        if form is not None:
            source = form.open(path, axis, skip_bad, channel)
            source.notes = [*source.notes, *_left(path, form)]
            return source
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    raise InputError(
        f"{path}: no image in it that is read (it {what_is_there(path)}); give PNG, JPEG, TIFF,"
        " .npy, .npz, NIfTI or DICOM files, or the one folder that they lie in"
    )


def _form_of(path: Path) -> Form | None:
    """Return the form of a file, or of all files in a folder; DICOM may be in subfolders."""
    if not path.is_dir():
        return next((form for form in FORMS if form.fits(path)), None)
    found = files_by_form(path)
    if len(found) != 1 and not found:
        return FORMS[-1] if is_dicom(path) else None
    if "DICOM" not in found:
        deeper = [
            one
            for one in _deeper(path)
            if not any(form.fits(one) for form in FORMS[:-1]) and is_dicom(one)
        ]
        if deeper:
            found["DICOM"] = deeper
    _check_one(found, path)
    return next(form for form in FORMS if form.name in found)


def is_ready(path: Path) -> bool:
    """Return whether slices are read where they are: this is a folder of 8-bit images.

    So is a folder that is empty or cannot be read, about which whoever reads it complains.
    """
    try:
        if not path.is_dir() or not any(path.iterdir()):
            return path.is_dir()
        if set(files_by_form(path)) != {"image"}:
            return False
        with collecting():
            return ImageFolder(path, skip_bad=True).ready
    except (OSError, InputError):
        return True


def check_one_kind(path: Path, names: Sequence[str]) -> None:
    """Raise `InputError` for a folder with files of several of these forms."""
    if path.is_dir():
        found = files_by_form(path)
        _check_one({name: found[name] for name in names if name in found}, path)


def _check_one(found: Mapping[str, list[Path]], path: Path) -> None:
    if len(found) > 1:
        raise InputError(
            f"{path}: holds {_listed(found, path)}; which are meant? Give a folder of one kind"
        )


def files_by_form(path: Path) -> dict[str, list[Path]]:
    """Return the files directly in a folder by the name of their form."""
    found: dict[str, list[Path]] = {}
    for one in sorted(path.iterdir()):
        if one.is_file() and not is_hidden(one) and one.name != "DICOMDIR":
            form = next((form.name for form in FORMS if form.fits(one)), None)
            if form is not None:
                found.setdefault(form, []).append(one)
    return found


def _deeper(path: Path) -> list[Path]:
    """Return the files in subfolders, up to a plausible number."""
    folders = [one for one in path.iterdir() if one.is_dir() and not is_hidden(one)]
    every = (one for folder in sorted(folders) for one in folder.rglob("*"))
    return [
        one for one in islice(every, _MOST_DEEPER) if one.is_file() and not is_hidden(one, path)
    ]


def _left(path: Path, form: Form) -> list[str]:
    """Return a line on the files of a folder that are not read, if any."""
    if not path.is_dir():
        return []
    every = [one for one in path.iterdir() if one.is_file() and not is_hidden(one)]
    left = [one for one in every if not form.fits(one)]
    deeper = _deeper(path)
    if form.name == "DICOM":
        left += [one for one in deeper if not is_dicom(one)]
        deeper = []
    lines = []
    if left:
        names = name_a_few(sorted(str(one.relative_to(path)) for one in left))
        files = "1 other file is" if len(left) == 1 else f"{len(left)} other files are"
        lines.append(f"{path}: {files} not read: {names}")
    if deeper:
        files = "1 file" if len(deeper) == 1 else f"{len(deeper)} files"
        lines.append(f"{path}: {files} in sub-folders not read")
    return lines


def _listed(found: Mapping[str, list[Path]], path: Path) -> str:
    return " and ".join(
        f"{len(files)} {name} {'file' if len(files) == 1 else 'files'} "
        f"({name_a_few([str(one.relative_to(path)) for one in files], 2)})"
        for name, files in found.items()
    )


def _flat(path: Path, axis: str, channel: str) -> Path:
    if axis or channel:
        option = f"--axis {axis}" if axis else f"--channel {channel}"
        raise InputError(f"{path}: {option} is for NIfTI volumes; leave it out")
    return path
