"""A segmentation as files: label PNGs, NIfTI volumes, COCO, the challenge's CSV, or an array."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np

from fewshot.errors import InputError
from fewshot.files import atomic_path
from fewshot.folders import filled_folder, prepare_folder
from fewshot.importing.pseudonyms import FILE, Pseudonyms, Renaming
from fewshot.masks.coco import SliceSet, write_coco
from fewshot.masks.merge import MergeRule
from fewshot.masks.predicted import SliceMasks
from fewshot.pipeline.segmentation import Segmentation
from fewshot.progress import say
from fewshot.submission.submission import write_submission

Form = Literal["label-png", "nifti", "coco", "csv", "npy"]

_ENDINGS: dict[str, Form] = {
    ".png": "label-png",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".json": "coco",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".npy": "npy",
}
_ALL = MergeRule(score_threshold=0.0)


def form_of(out: Path, form: Form | None) -> Form:
    """Return the form to write: as asked, else by the ending of `out`; a folder gets label PNGs.

    Raises `InputError` for an ending of no form, or of another than the one asked for.

    >>> form_of(Path("answer.nii.gz"), None), form_of(Path("answers"), None)
    ('nifti', 'label-png')
    """
    told = next((one for end, one in _ENDINGS.items() if out.name.lower().endswith(end)), None)
    if told is not None and form not in (None, told):
        raise InputError(f"--out {out}: ends as {told} does, but --form is {form}; change one")
    if told is None and form in ("coco", "csv", "npy"):
        ending = next(end for end, one in _ENDINGS.items() if one == form)
        raise InputError(f"--out {out}: give a file name that ends in {ending}")
    if told is None and form is None and out.suffix and not out.is_dir():
        raise InputError(
            f"--out {out}: tells no form; end it in {', '.join(_ENDINGS)}, or give a folder "
            f"and --form {' or '.join(get_args(Form)[:2])}"
        )
    return told or form or "label-png"


def check_out(out: Path, form: Form | None, overwrite: bool) -> Form:
    """Return the form to write; `InputError` where `out` cannot be written or has something."""
    found = form_of(out, form)
    if not _is_file(out):
        prepare_folder(out, overwrite)
    elif out.is_dir():
        raise InputError(f"--out {out}: is a folder; give the name of a file")
    elif out.exists() and not overwrite:
        raise InputError(f"--out {out}: exists already; give another name, or --overwrite")
    return found


def write_answer(answer: Segmentation, out: Path, form: Form, overwrite: bool = False) -> int:
    """Write a segmentation, all or nothing, and return the number of files.

    Patients whose identifiers are in names get pseudonyms, as with `fewshot convert`.
    Raises `InputError` when it does not go into the form or `out` has something already.
    """
    check_out(out, form, overwrite)
    answer = _under_pseudonyms(answer, out)
    if not _is_file(out):
        with filled_folder(out, overwrite) as folder:
            return len(_pictures(answer, folder, form))
    if form == "csv":
        write_submission(out, answer.names, answer.label_maps)
    elif form == "coco":
        write_coco(out, _with_images(answer.slices, out), "regions found by fewshot predict")
    elif form == "npy":
        shapes = sorted({one.shape for one in answer.label_maps})
        if len(shapes) != 1:
            raise InputError(
                f"--out {out}: slices of {len(shapes)} sizes do not go into one array; "
                "write label PNGs to a folder"
            )
        with atomic_path(out) as temporary, temporary.open("wb") as file:
            np.save(file, np.stack(answer.label_maps))
    else:
        _single(answer, out, form)
    return 1


def _is_file(out: Path) -> bool:
    return any(out.name.lower().endswith(end) for end in _ENDINGS)


def _with_images(slices: SliceSet, out: Path) -> SliceSet:
    """Return slices whose images are looked for beside `out` where there are none as files."""
    if all(slices.path_of(record).is_file() for record in slices.records):
        return slices
    say(f"{out}: names slices that are no image files; fewshot convert writes these")
    return replace(slices, images=out.parent)


def _pictures(answer: Segmentation, folder: Path, form: Form) -> list[Path]:
    """Write label PNGs or volumes to a folder."""
    # Without scores, so that the ids are those of the label maps.
    pairs = zip(answer.slices.records, answer.label_maps, strict=True)
    plain = answer.slices.with_masks(
        SliceMasks.from_label_map(record.image_id, labels) for record, labels in pairs
    )
    if form == "nifti":
        from fewshot.export.nifti import write_volumes

        return write_volumes(folder, plain, _ALL)
    from fewshot.export.forms import write_label_pngs

    return write_label_pngs(folder, plain, _ALL)


def _single(answer: Segmentation, out: Path, form: Form) -> None:
    """Write one label PNG or one volume to a file."""
    with TemporaryDirectory(prefix="fewshot-") as name:
        files = _pictures(answer, Path(name), form)
        if len(files) != 1:
            what = "slices" if form == "label-png" else "volumes"
            raise InputError(
                f"--out {out}: is one file for {len(files)} {what}; give a folder and --form {form}"
            )
        content = files[0].read_bytes()
        if out.name.lower().endswith(".nii"):
            import gzip

            content = gzip.decompress(content)
        with atomic_path(out, len(content)) as temporary:
            temporary.write_bytes(content)


def _under_pseudonyms(answer: Segmentation, out: Path) -> Segmentation:
    if not answer.patients:
        return answer
    pseudonyms = Pseudonyms(out.resolve().parent / FILE)
    slices: SliceSet = Renaming(answer.patients, pseudonyms).slices(answer.slices)
    pseudonyms.save()
    say(f"patients: {len(answer.patients)} under pseudonyms; who they are is in {pseudonyms.path}")
    return replace(answer, slices=slices, patients={})
