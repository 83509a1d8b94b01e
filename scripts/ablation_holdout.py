"""Choosing without a look at the test: labelled slices that a run does not use are scored on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot.config.tree import DataSettings
from fewshot.errors import InputError
from fewshot.files import write_text
from fewshot.slices.groups import read_groups
from fewshot.slices.images import in_slice_order
from fewshot.slices.label_csv import read_label_csv, write_label_csv


@dataclass(frozen=True)
class Patients:
    """Labels of the first so many patients are used; the slices of the others are held out."""

    count: int


@dataclass(frozen=True)
class Fold:
    """One of several parts that the patients of the labelled slices are dealt to in turn."""

    index: int
    count: int


def holdout_data(data: DataSettings, choice: int | Patients | Fold, folder: Path) -> DataSettings:
    """Return data settings in which labelled slices are the test slices.

    The images of the held-out slices are in the test folder alone, so that no training reads them.
    Images are linked, not copied; a folder that is there already is taken as it is.

    Args:
        data: in the challenge's form, at one folder of slices of one size.
        choice: how many labelled slices or patients are used, those beyond are held out; or the
            fold whose patients' labelled slices are, to cross-validate.
        folder: where the links and label tables go.

    Raises `InputError` for held-out slices of patients that are trained on, as far as patients are
    known: their scores would flatter.
    """
    if data.train_images is None or data.train_labels is None:
        raise InputError("holdout: needs data.train_images and data.train_labels")
    files = {
        "train_images": folder / "X_train",
        "train_labels": folder / "Y_train.csv",
        "test_images": folder / "X_test",
        "test_labels": folder / "Y_test.csv",
    }
    if not files["test_labels"].is_file():
        table = read_label_csv(data.train_labels)
        with_labels = {
            name for name, row in zip(table.names, table.pixels, strict=True) if row.any()
        }
        ordered = [name for name in in_slice_order(table.names) if name in with_labels]
        held_out = set(_held_out(choice, ordered, data.groups))
        if not held_out:
            raise InputError(f"holdout: all of {len(ordered)} labelled slices are used; use fewer")
        names = {"test": [n for n in ordered if n in held_out]}
        names["train"] = [name for name in in_slice_order(table.names) if name not in held_out]
        pixels = dict(zip(table.names, table.pixels, strict=True))
        for part, chosen in names.items():
            _link(data.train_images, chosen, files[f"{part}_images"])
            rows = [pixels[name][:, None] for name in chosen]
            write_label_csv(files[f"{part}_labels"], chosen, rows)
            if data.groups is not None:
                _write_groups(data.groups, chosen, folder / f"groups_{part}.csv")
    if data.groups is not None:
        files |= {"groups": folder / "groups_train.csv", "test_groups": folder / "groups_test.csv"}
    return data.model_copy(update=files)


def _write_groups(table: Path, names: Sequence[str], target: Path) -> None:
    patient_of = read_groups(table)
    rows = "".join(f"{name},{patient_of[name]}\n" for name in names if name in patient_of)
    write_text(target, f"image,patient\n{rows}")


def _held_out(
    choice: int | Patients | Fold, labelled: Sequence[str], groups: Path | None
) -> list[str]:
    """Return the labelled slices that are scored on."""
    if groups is None:
        if isinstance(choice, int):
            return list(labelled[choice:])
        raise InputError("patients: need data.groups, the table of which slice is of which patient")
    patient_of = read_groups(groups)
    if missing := [name for name in labelled if name not in patient_of]:
        raise InputError(f"{groups}: holds no patient of {missing[0]}")
    patients = list(dict.fromkeys(patient_of[name] for name in labelled))
    if isinstance(choice, int):
        seen = {patient_of[name] for name in labelled[:choice]}
        leaking = [name for name in labelled[choice:] if patient_of[name] in seen]
        if leaking:
            raise InputError(
                f"holdout: {len(leaking)} of the {len(labelled) - choice} slices beyond the first "
                f"{choice} are of patients that are trained on, such as {leaking[0]}; hold out "
                "whole patients: labelled_patients, or folds"
            )
        return list(labelled[choice:])
    if choice.count > len(patients):
        raise InputError(f"patients: {choice.count} wanted of {len(patients)}; use fewer")
    if isinstance(choice, Patients):
        chosen = set(patients[choice.count :])
    else:
        chosen = set(patients[choice.index :: choice.count])
    return [name for name in labelled if patient_of[name] in chosen]


def _link(images: Path, names: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        link = folder / name
        if not link.exists():
            link.symlink_to((images / name).resolve())
