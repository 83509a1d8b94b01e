"""Pseudonyms for patients who are identified in file headers.

Otherwise the PatientID of DICOM files would get into the names of slices, groups and volumes, and
from there into COCO files, pictures, tables, pages and submissions. Pseudonyms are keyed
(HMAC-SHA-256), so that nobody can find a patient by trying identifiers, and a patient has the same
one wherever the same key is used. Key and map are in one file, readable only by its owner, next to
the folder of the converted data: everything converted into the same folder is one project.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.importing.slices import Imported
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.progress import say
from fewshot.slices.label_names import Renamed
from fewshot.slices.volume import Volume

FILE = "pseudonyms.json"
FORM = "fewshot pseudonyms 1"
_DIGITS = 10  # of 16 letters: among 10,000 patients a collision occurs once in 20,000 projects
_KEY_BYTES = 32
# Only letters, which cannot contain the number of a patient by chance.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
# What follows a patient in the name of a volume or slice; what may follow where it is a word.
_AFTER = r"_\d"
_END = r"_\d|$|[^\w]"
_OWNER_ALONE = 0o600


class Pseudonyms:
    """The pseudonyms of a project, kept in a file with their key.

    Raises `InputError` when the file is a link or contains something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._patients: dict[str, str] = {}
        if path.is_symlink():
            raise InputError(f"{path}: is a link; put the file of pseudonyms itself there")
        if path.exists():
            self._read(read_json(path))

    def of(self, patient: str) -> str:
        """Return a patient's pseudonym, such as `pbmjkelaobc`."""
        digest = hmac.digest(self._key, patient.encode("utf-8", "surrogatepass"), "sha256")
        name = f"p{digest.hex()[:_DIGITS].translate(_LETTERS)}"
        self._patients[name] = patient
        return name

    def save(self) -> None:
        """Write key and map, readable only by the owner."""
        content = {"form": FORM, "key": self._key.hex(), "patients": self._patients}
        write_json(self.path, content, mode=_OWNER_ALONE)

    def _read(self, content: Any) -> None:
        try:
            key, patients = bytes.fromhex(content["key"]), dict(content["patients"])
            right = content["form"] == FORM and len(key) == _KEY_BYTES
        except (ValueError, KeyError, TypeError):
            right = False
        if not right:
            raise InputError(f"{self.path}: holds no pseudonyms of fewshot's; move it away")
        self._key, self._patients = key, {str(name): str(one) for name, one in patients.items()}


class Renaming:
    """Replaces patients in names by pseudonyms.

    Args:
        patients: patient's name in file names → identifier in file headers.
        pseudonyms: of the project.
    """

    def __init__(self, patients: Mapping[str, str], pseudonyms: Pseudonyms) -> None:
        self._known = {called: pseudonyms.of(patient) for called, patient in patients.items()}
        self._known |= {patient: pseudonyms.of(patient) for patient in patients.values()}
        # The longest first, because one may start with another.
        self._patterns = [
            (re.compile(_pattern(called)), new)
            for called, new in sorted(self._known.items(), key=lambda pair: -len(pair[0]))
        ]

    def name(self, text: str) -> str:
        """Return a name with the pseudonym in place of the patient that it is or starts with."""
        return self._known.get(text) or self.line(text)

    def line(self, text: str) -> str:
        """Return a message with pseudonyms in place of patients."""
        for pattern, new in self._patterns:
            text = pattern.sub(new, text)
        return text

    def slices(self, slices: SliceSet) -> SliceSet:
        """Return a set of slices with pseudonyms; their files must be renamed in the same way."""
        records = tuple(self._record(record) for record in slices.records)
        volumes = {self.name(name): self._volume(name, one) for name, one in slices.volumes.items()}
        return SliceSet(slices.images, records, slices.masks, volumes)

    def _record(self, record: SliceRecord) -> SliceRecord:
        return replace(
            record,
            file_name=self.name(record.file_name),
            group=None if record.group is None else self.name(record.group),
            volume=None if record.volume is None else self.name(record.volume),
        )

    def _volume(self, name: str, volume: Volume) -> Volume:
        """The folder of a volume may be named after its patient, too."""
        return replace(volume, source=self.name(name))


def _pattern(called: str) -> str:
    """Return the pattern of patients in names and messages; short ones may be numbers."""
    end = _AFTER if len(called) < 4 else _END
    return rf"(?<![\w.-]){re.escape(called)}(?={end})"


def renaming_by(key: Path) -> Callable[[Mapping[str, str]], Renamed]:
    """Return what makes of patients the function that renames slices as they are written."""
    return lambda patients: Renaming(patients, Pseudonyms(key)).name


def under_pseudonyms(
    imported: Imported,
    parts: dict[str, SliceSet],
    lines: list[str],
    pictures: Path,
    key: Path,
) -> tuple[Imported, dict[str, SliceSet], list[str]]:
    """Return what was read and said with pseudonyms for patients; rename the pictures.

    `key` is the file of the pseudonyms, which is written.
    """
    pseudonyms = Pseudonyms(key)
    renaming = Renaming(imported.patients, pseudonyms)
    pseudonyms.save()
    slices = renaming.slices(imported.slices)
    for old, new in zip(imported.slices.records, slices.records, strict=True):
        (pictures / old.file_name).rename(pictures / new.file_name)
    say(
        f"patients: {len(imported.patients)} under pseudonyms; who they are is in {pseudonyms.path}"
    )
    renamed = replace(
        imported,
        slices=slices,
        skipped=tuple(map(renaming.line, imported.skipped)),
        notes=tuple(map(renaming.line, imported.notes)),
        warnings=tuple(map(renaming.line, imported.warnings)),
        remarks=tuple(map(renaming.line, imported.remarks)),
    )
    parts = {name: renaming.slices(part) for name, part in parts.items()}
    return renamed, parts, [renaming.line(line) for line in lines]
