"""The patient (or scan, or site) of each slice, for splits without leakage."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fewshot.errors import InputError
from fewshot.slices.images import image_stem, name_a_few

OFF = "none"
"""What is given in place of a table where slices have no groups, and none are to be guessed."""

_SUFFIXES = re.compile(r"\.(nii\.gz|nii|npy|npz|dcm|dicom|ima)$", re.IGNORECASE)
_PARTS = re.compile(r"[_\- ]+")
# Words before the number of a patient in a name: `patient02`, `sub-01`.
_PATIENT = re.compile(r"(?:patient|pat|pt|pid|subject|subj|sub|case|volunteer|p)(\d*)", re.I)


def is_off(groups: Path | None) -> bool:
    """Return whether groups are switched off: `groups: none`."""
    return groups is not None and str(groups) == OFF


@dataclass(frozen=True)
class Guess:
    """The group of each name, guessed from the names, with an example."""

    groups: tuple[str, ...]
    example: str

    def described(self, what: str) -> str:
        """Return what was guessed, in one line; `what` are the names: `file names`."""
        count = len(set(self.groups))
        return (
            f"groups: {count} patients guessed from {what} ({self.example}); slices of one stay on "
            "one side of a split (groups: none switches that off, a table says it)"
        )


def guess_groups(names: Sequence[str]) -> Guess | None:
    """Return the patients guessed from names, such as `patient02` from `patient02_slice016`.

    Names are divided at `_`, `-` and spaces. The patient ends with the first part that is a word
    for patients with a number, otherwise with the first part that has digits in all names and
    differs between some. None unless every name has one, there are at least two patients, and each
    has several names (at least one of them if a word says that they are patients).

    >>> names = ["patient01_slice1.png", "patient01_slice2.png", "patient02_slice1.png"]
    >>> guess_groups(names).groups
    ('patient01', 'patient01', 'patient02')
    """
    split = [_PARTS.split(image_stem(name)) for name in names]
    place = _patient_part(split)
    if place is None:
        return None
    shown = [image_stem(name) for name in names]
    groups = tuple(_prefix(name, parts, place) for name, parts in zip(shown, split, strict=True))
    sizes = Counter(groups)
    wordy = all(_is_patient(parts, place) for parts in split)
    several = max if wordy else min
    if len(sizes) < 2 or several(sizes.values()) < 2:
        return None
    first = next(index for index, group in enumerate(groups) if sizes[group] > 1)
    return Guess(groups, f"{groups[first]!r} of {Path(names[first]).name!r}")


def _patient_part(split: Sequence[Sequence[str]]) -> int | None:
    """Return which part of the names is the patient; never the last one."""
    fewest = min(map(len, split), default=0)
    for place in range(fewest - 1):
        if all(_is_patient(parts, place) for parts in split):
            return place
    for place in range(fewest - 1):
        own = {parts[place] for parts in split}
        if len(own) > 1 and all(re.search(r"\d", part) for part in own):
            return place
    return None


def _is_patient(parts: Sequence[str], place: int) -> bool:
    """Return whether a part is a word for patients with a number, in it or before it."""
    own = _PATIENT.fullmatch(parts[place])
    if own is not None:
        return bool(own.group(1))
    before = _PATIENT.fullmatch(parts[place - 1]) if place else None
    return before is not None and not before.group(1) and bool(re.search(r"\d", parts[place]))


def _prefix(name: str, parts: Sequence[str], place: int) -> str:
    """Return a name up to and including one of its parts."""
    end = 0
    for part in parts[: place + 1]:
        end = name.index(part, end) + len(part)
    return name[:end]


def read_groups(path: Path) -> dict[str, str]:
    """Return the group of each image, `{"0.png": "pt_001"}`, in the file's order.

    The file is a CSV with two columns: `image`, and the group under any name.
    Raises `InputError` when the file is missing, not such a CSV, empty, or names an image twice.
    """
    header, *rows = _read_rows(path)
    if len(header) != 2 or header[0].strip() != "image":
        raise InputError(f"{path}: line 1 is {_shown(header)}; the header must be image,patient")
    if not rows:
        raise InputError(f"{path}: no image below the header; write one line per image")
    groups: dict[str, str] = {}
    stems: set[str] = set()
    for line, row in enumerate(rows, start=2):
        cells = [cell.strip() for cell in row]
        if len(cells) != 2 or not all(cells):
            raise InputError(f"{path}: line {line} is {_shown(row)}; write an image and its group")
        image, group = cells
        if image_stem(image) in stems:
            raise InputError(f"{path}: line {line}: {image!r} is listed twice; keep one line")
        stems.add(image_stem(image))
        groups[image] = group
    return groups


@dataclass(frozen=True)
class Named:
    """The names by which a row may refer to a slice: of the slice, file, volume or group."""

    own: str
    file: Path | None = None
    volume: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Matched:
    """The group of each slice, or None, and the rows without a slice."""

    groups: tuple[str | None, ...]
    unused: tuple[str, ...]


def match_groups(table: Mapping[str, str], slices: Sequence[Named], root: Path) -> Matched:
    """Return the groups of slices from a table whose rows name slices, files, volumes or groups.

    The most specific row wins. Files below `root` may be named with their folders; the bare name is
    enough if only one file and one row have it. Suffixes may be left out.
    Raises `InputError` for two rows with the same name.
    """
    rows: dict[str, str] = {}
    by_name: dict[str, list[str]] = {}
    for image in table:
        other = rows.setdefault(_bare(image), image)
        if other != image:
            raise InputError(f"groups: {other!r} and {image!r} name the same image; keep one row")
        by_name.setdefault(PurePosixPath(_bare(image)).name, []).append(image)
    rows = {**{name: own[0] for name, own in by_name.items() if len(own) == 1}, **rows}
    folders = _folders_of(slices)
    found: list[str | None] = []
    used: set[str] = set()
    for one in slices:
        rows_of = [rows[key] for key in _keys(one, root, folders) if key in rows]
        used.update(rows_of)
        found.append(table[rows_of[0]] if rows_of else None)
    return Matched(tuple(found), tuple(image for image in table if image not in used))


def _keys(one: Named, root: Path, folders: Mapping[str, set[Path]]) -> list[str]:
    keys = [_bare(one.own)]
    if one.file is not None:
        if one.file.is_relative_to(root):
            keys.append(_bare(one.file.relative_to(root).as_posix()))
        if len(folders[one.file.name]) == 1:
            keys.append(_bare(one.file.name))
    for name in (one.volume, one.group):
        if name is not None:
            # The channel number of nnU-Net is not part of a volume's name.
            keys += [_bare(name), re.sub(r"_\d{4}$", "", name)]
    return keys


def _folders_of(slices: Sequence[Named]) -> dict[str, set[Path]]:
    """Return the folders in which files of a name lie."""
    found: dict[str, set[Path]] = {}
    for one in slices:
        if one.file is not None:
            found.setdefault(one.file.name, set()).add(one.file.parent)
    return found


def _bare(name: str) -> str:
    """Return a name for comparison: without the suffix of a form, with slashes."""
    plain = _SUFFIXES.sub("", image_stem(name.replace("\\", "/")))
    return str(PurePosixPath(plain))


def grouped_by_table(
    path: Path, slices: Sequence[Named], root: Path, *, incomplete: bool = False
) -> tuple[list[str], str]:
    """Return the group of each slice from a table in a file, and a line on how they match.

    Raises `InputError` when rows and slices do not match. With `incomplete`, if some slices could
    not be read, rows may be left over, as the line says.
    """
    table = read_groups(path)
    try:
        found = match_groups(table, slices, root)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    missing = [one.own for one, group in zip(slices, found.groups, strict=True) if group is None]
    if len(found.unused) == len(table):
        raise InputError(
            f"{path}: none of its {len(table)} rows ({name_a_few(list(table))}) names an image of "
            f"{root} ({name_a_few([one.own for one in slices])}); name images, files or volumes"
        )
    if missing:
        raise InputError(
            f"{path}: {len(missing)} of {len(slices)} slices of {root} have no row: "
            f"{name_a_few(missing)}; add a row for each, its file or its volume"
        )
    if found.unused and not incomplete:
        raise InputError(
            f"{path}: {len(found.unused)} of {len(table)} rows name no image of {root}: "
            f"{name_a_few(found.unused)}; remove them, or name images, files or volumes"
        )
    groups = [group for group in found.groups if group is not None]
    left = f", {len(found.unused)} without an image" if found.unused else ""
    return groups, (
        f"groups: {len(set(groups))} by {path} ({len(table) - len(found.unused)} of {len(table)} "
        f"rows used{left})"
    )


def _read_rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.reader(text.splitlines(), strict=True))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV in UTF-8 ({error}); save it as one") from error
    if not rows:
        raise InputError(f"{path}: the file is empty; the header must be image,patient")
    return rows


def _shown(row: list[str]) -> str:
    return repr(",".join(row)[:60])
