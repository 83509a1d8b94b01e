"""The published checkpoints: names, sizes, digests and addresses."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from fewshot.config.names import WEIGHTS_FOLDER_VARIABLE
from fewshot.errors import InputError
from fewshot.progress import warn

TINY = "tiny"

_BLOCK = 1 << 20
_META = "https://dl.fbaipublicfiles.com/segment_anything/"


@dataclass(frozen=True)
class KnownCheckpoint:
    """A published file.

    Attributes:
        name: its name on the command line.
        file_name: as published.
        megabytes: its size, in 10**6 bytes.
        digest: `sha256:` or, if its authors publish no other, `md5:`, and the digits.
        address: where to download it.
    """

    name: str
    file_name: str
    megabytes: int
    digest: str
    address: str


KNOWN = (
    KnownCheckpoint(
        "vit_b",
        "sam_vit_b_01ec64.pth",
        375,
        "sha256:ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        f"{_META}sam_vit_b_01ec64.pth",
    ),
    KnownCheckpoint(
        "vit_l",
        "sam_vit_l_0b3195.pth",
        1250,
        "sha256:3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        f"{_META}sam_vit_l_0b3195.pth",
    ),
    KnownCheckpoint(
        "vit_h",
        "sam_vit_h_4b8939.pth",
        2565,
        "sha256:a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        f"{_META}sam_vit_h_4b8939.pth",
    ),
    KnownCheckpoint(
        "medsam",
        "medsam_vit_b.pth",
        375,
        "md5:3bb6db55bd0c9ca30b61248bca72f8d6",
        "https://zenodo.org/records/10689643",
    ),
)


def find_checkpoint(text: str) -> Path:
    """Return the file of a checkpoint, given as a path or as the name of a published one.

    A published one (`vit_b`, `vit_l`, `vit_h`, `medsam`) is searched by its file name in the folder
    `FEWSHOT_WEIGHTS` (an environment variable), and in the current folder.

    Raises `InputError` with the missing file, its size and where it is published.
    """
    known = _by_name(text)
    if known is None:
        path = Path(text)
        if path.is_file():
            return path
        if text == TINY:
            raise InputError(
                "checkpoint tiny: is not published; train it with fewshot sam finetune "
                "--checkpoint tiny --train all, and give the resulting model.pth"
            )
        known = _by_file_name(path.name)
        if known is None:
            names = ", ".join(one.name for one in KNOWN)
            raise InputError(f"checkpoint {text}: no such file; give a file, or one of {names}")
        raise InputError(f"checkpoint {text}: no such file; {_where_to_get(known)}")
    folders = [Path(os.environ[WEIGHTS_FOLDER_VARIABLE])] if _weights_folder() else []
    for folder in (*folders, Path()):
        if (folder / known.file_name).is_file():
            return folder / known.file_name
    raise InputError(f"checkpoint {text}: {known.file_name} is not here; {_where_to_get(known)}")


def recognise(path: Path) -> KnownCheckpoint | None:
    """Return the published checkpoint that a file is, by its digest, or None.

    Warns about a different file with the name of a published one.
    """
    named_like = _by_file_name(path.name)
    megabytes = round(path.stat().st_size / 1e6)
    candidates = [one for one in KNOWN if abs(one.megabytes - megabytes) <= 1]
    for kind in {one.digest.partition(":")[0] for one in candidates}:
        digest = f"{kind}:{_digest(path, kind)}"
        for one in candidates:
            if one.digest == digest:
                return one
    if named_like is not None:
        warn(f"{path}: has the name of {named_like.name} but differs from it ({named_like.digest})")
    return None


def _where_to_get(known: KnownCheckpoint) -> str:
    return (
        f"download {known.file_name} ({known.megabytes} MB, {known.digest}) from {known.address} "
        f"and give its path, or set {WEIGHTS_FOLDER_VARIABLE} to its folder"
    )


def _weights_folder() -> bool:
    return bool(os.environ.get(WEIGHTS_FOLDER_VARIABLE))


def _by_name(text: str) -> KnownCheckpoint | None:
    return next((one for one in KNOWN if one.name == text), None)


def _by_file_name(text: str) -> KnownCheckpoint | None:
    return next((one for one in KNOWN if one.file_name == text), None)


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
