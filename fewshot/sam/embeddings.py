"""Image embeddings: one encoder pass per slice, stored on disk and found by digests.

A folder of embeddings contains `embeddings.json`, which describes their encoder and input
transform, and one `.npz` per slice, named by the digest of the image file, so that a changed image
is embedded again.
"""

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from fewshot.errors import FewshotError, InputError
from fewshot.files import atomic_path, read_json, sha256_file, write_json
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.progress import Advance, no_progress
from fewshot.sam.frames import to_inputs
from fewshot.sam.input_transforms import RAW, InputTransform
from fewshot.sam.model import SamModel
from fewshot.slices.images import read_image
from fewshot.training.precision import Precision

DESCRIPTION = "embeddings.json"
Number = Literal["float16", "float32"]

_CHANNELS = 256
_BYTES = {"float16": 2, "float32": 4}


@dataclass
class Embedder:
    """Provides embeddings of slices, from a folder if they are in it, else from the encoder.

    Attributes:
        model: with the image encoder.
        folder: where embeddings are stored; None stores none.
        number: number format of stored embeddings.
        treatment: transform of a slice before the encoder.
        batch_size: slices per encoder batch.
        mixed_precision: `auto`, `off`, `bfloat16` or `float16`.

    Opening a folder of embeddings of another encoder, number or treatment raises `InputError`.
    """

    model: SamModel
    folder: Path | None = None
    number: Number = "float16"
    treatment: InputTransform = RAW
    batch_size: int = 4
    mixed_precision: str = "auto"
    encoded: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._precision = Precision(self.mixed_precision, self.model.device)
        if self.folder is not None and (self.folder / DESCRIPTION).exists():
            self._check(self.folder / DESCRIPTION)

    def over(
        self, slices: SliceSet, advance: Advance = no_progress
    ) -> Iterator[tuple[SliceRecord, torch.Tensor]]:
        """Yield each slice with its embedding, float32 (256, grid, grid) on the model's device."""
        done = 0
        for start in range(0, len(slices.records), self.batch_size):
            records = slices.records[start : start + self.batch_size]
            for record, features in zip(records, self._batch(slices, records), strict=True):
                done += 1
                yield record, features
                advance(done, "")

    def of(self, slices: SliceSet, record: SliceRecord) -> torch.Tensor:
        """Return one slice's embedding, float32 (256, grid, grid) on the model's device."""
        return self._batch(slices, [record])[0]

    def bytes_needed(self, slices: SliceSet) -> int:
        """Return the size on disk of the embeddings of these slices, in bytes."""
        return len(slices) * _CHANNELS * self.model.grid**2 * _BYTES[self.number]

    def check_room(self, slices: SliceSet) -> None:
        """Raise `FewshotError` if the disk has no space for the embeddings of these slices."""
        if self.folder is None:
            return
        existing = next(one for one in (self.folder, *self.folder.parents) if one.exists())
        needed, free = self.bytes_needed(slices), shutil.disk_usage(existing).free
        if needed > free:
            raise FewshotError(
                f"{self.folder}: {len(slices)} embeddings take {needed / 1e6:.0f} MB and only "
                f"{free / 1e6:.0f} MB are free; give a folder on another disk"
            )

    def _batch(self, slices: SliceSet, records: Sequence[SliceRecord]) -> list[torch.Tensor]:
        paths = [slices.path_of(record) for record in records]
        digests = ["" if self.folder is None else _image_digest(path) for path in paths]
        found = [self._read(digest) for digest in digests]
        missing = [place for place, features in enumerate(found) if features is None]
        if missing:
            images = [self.treatment(read_image(paths[place])) for place in missing]
            for place, features in zip(missing, encode(self.model, images, self), strict=True):
                found[place] = self._kept(digests[place], features)
            self.encoded += len(missing)
        return [one.to(self.model.device).float() for one in found if one is not None]

    def _read(self, digest: str) -> torch.Tensor | None:
        if self.folder is None:
            return None
        path = self.folder / f"{digest}.npz"
        if not path.is_file():
            return None
        stored = read_embedding(path)
        if stored is None:
            return None
        features, encoder = stored
        if encoder != self.model.encoder_digest:
            raise InputError(f"{path}: is an embedding of another checkpoint; give another folder")
        shape = (_CHANNELS, self.model.grid, self.model.grid)
        if features.shape != shape or features.dtype != self.number:
            return None
        if not np.isfinite(features).all():
            return None
        return torch.from_numpy(features)

    def _kept(self, digest: str, features: torch.Tensor) -> torch.Tensor:
        """Write an embedding and return it rounded, as it will be read."""
        if self.folder is None:
            return features
        if not (self.folder / DESCRIPTION).exists():
            write_json(self.folder / DESCRIPTION, self._description())
        values = features.cpu().numpy().astype(self.number)
        if not np.isfinite(values).all():
            raise FewshotError(
                f"{self.folder}: an embedding overflows {self.number}; give --number float32"
            )
        with atomic_path(self.folder / f"{digest}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, features=values, encoder=np.array(self.model.encoder_digest))
        return torch.from_numpy(values)

    def _description(self) -> dict[str, Any]:
        return {
            "encoder": self.model.encoder_digest,
            "layout": self.model.layout,
            "checkpoint": self.model.name,
            "number": self.number,
            "treatment": self.treatment.key,
        }

    def _check(self, path: Path) -> None:
        found, wanted = read_json(path), self._description()
        if not isinstance(found, dict) or not wanted.keys() <= found.keys():
            raise InputError(f"{path}: is no description of embeddings; give another folder")
        if found["encoder"] != wanted["encoder"]:
            raise InputError(
                f"{path.parent}: holds embeddings of another checkpoint ({found['checkpoint']}), "
                f"not of {self.model.name}; give another folder"
            )
        for key in ("number", "treatment"):
            if found[key] != wanted[key]:
                raise InputError(
                    f"{path.parent}: holds embeddings of {key} {found[key]}, not {wanted[key]}; "
                    "give another folder"
                )


def read_embedding(path: Path) -> tuple[np.ndarray[Any, Any], str] | None:
    """Return the features in a file and the digest of their encoder; None for a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            # NumPy stores embeddings uncompressed; a compressed file could be a bomb.
            if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
                return None
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return content["features"], str(content["encoder"])
    except Exception:  # NumPy's parser and the archive can raise anything
        return None


def embedder_below(
    folder: Path | None, model: SamModel, treatment: InputTransform, mixed_precision: str = "auto"
) -> Embedder:
    """Return an embedder with a subfolder per encoder and input transform.

    Networks that differ only in their decoders share it.
    """
    if folder is not None:
        folder = folder / f"{model.encoder_digest[:16]}-{treatment.key}"
    return Embedder(model, folder, treatment=treatment, mixed_precision=mixed_precision)


def encode(
    model: SamModel, images: Sequence[np.ndarray[Any, Any]], how: Embedder
) -> list[torch.Tensor]:
    """Return the embeddings of grey slices of one batch, float32 (256, grid, grid) each."""
    network: Any = model.network
    with torch.no_grad(), how._precision.autocast():
        features = network.image_encoder(to_inputs(model, images))
    return list(features.float())


def _image_digest(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path}: no such image")
    return sha256_file(path)
