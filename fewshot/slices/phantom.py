"""A seeded phantom: CT-like abdominal slices with label maps, to try fewshot without data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from fewshot.errors import InputError
from fewshot.files import write_text
from fewshot.slices.images import write_image
from fewshot.slices.label_csv import write_label_csv
from fewshot.slices.phantom_anatomy import (
    CAVITY,
    Patient,
    Shape,
    Tissue,
    draw_patient,
    section_shapes,
)

MAX_STRUCTURES = 18

# Sections are drawn at this multiple of the image size, so that edges have partial volume.
_SUPERSAMPLING = 3
# Structures with a smaller visible fraction of the image stay unlabelled.
_MIN_SEEN = 0.0016
_AIR = Tissue(-120)
_NOISE = 12.0

_LABELLED, _UNLABELLED, _TEST = "labelled", "unlabelled", "test"
_PARTS = (_LABELLED, _UNLABELLED, _TEST)
_SLICES_PER_PATIENT = 3
_LOWEST = {"size": 64, "labelled": 2, "unlabelled": 0, "test": 0, "seed": 0}

_Slice: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8], str]
_Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class PhantomSettings:
    """Size of the square slices in pixels, number of slices in each part, and seed.

    Raises `InputError` for a number below 64 (`size`), 2 (`labelled`) or 0 (the others).
    """

    size: int = 128
    labelled: int = 24
    unlabelled: int = 60
    test: int = 24
    seed: int = 0

    def __post_init__(self) -> None:
        for key, lowest in _LOWEST.items():
            value = getattr(self, key)
            if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
                raise InputError(f"phantom {key}: is {value!r}; give an integer from {lowest} up")


def phantom_slice(
    rng: np.random.Generator, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a slice of a new patient and its label map, both uint8 (size, size).

    The label map holds 4 to 18 structures under arbitrary ids, and 0 for air, skin, fat, muscle
    wall, ribs and vessels in the fat.
    """
    patient = draw_patient(rng)
    return _image_section(patient, patient.first_z, size, rng)


def write_phantom(out: Path, settings: PhantomSettings) -> None:
    """Write a phantom data set in the challenge's layout to the folder `out`.

    `X_train/0.png ...` (labelled slices first), `Y_train.csv.gz` (all zero for unlabelled slices),
    `groups.csv` (image, patient), and the same for test: `X_test`, `Y_test.csv.gz`,
    `groups_test.csv`, left out when there are no test slices. Up to three neighbouring slices
    belong to one patient, and no patient to two parts; there are at least two labelled patients.
    A slice depends on the seed, its part, its patient and its place in the patient, but not on the
    number of slices.

    Raises `InputError` when an image folder contains other files.
    """
    x_train, x_test = out / "X_train", out / "X_test"
    _check_folder(x_train, settings.labelled + settings.unlabelled)
    _check_folder(x_test, settings.test)
    labelled, unlabelled = _slices(settings, _LABELLED), _slices(settings, _UNLABELLED)
    _write_set(x_train, out / "Y_train.csv.gz", out / "groups.csv", chain(labelled, unlabelled))
    if settings.test:
        test = _slices(settings, _TEST)
        _write_set(x_test, out / "Y_test.csv.gz", out / "groups_test.csv", test)


def _write_set(images: Path, labels: Path, groups: Path, slices: Iterable[_Slice]) -> None:
    names: list[str] = []
    label_maps: list[NDArray[np.uint8]] = []
    rows = ["image,patient"]
    for index, (image, label_map, patient) in enumerate(slices):
        names.append(f"{index}.png")
        label_maps.append(label_map)
        rows.append(f"{index}.png,{patient}")
        write_image(images / names[-1], image)
    write_label_csv(labels, names, label_maps)
    write_text(groups, "\n".join(rows) + "\n")


def _check_folder(images: Path, count: int) -> None:
    names = {f"{index}.png" for index in range(count)}
    strangers = sorted(path.name for path in images.glob("[!.]*") if path.name not in names)
    if strangers:
        raise InputError(
            f"{images}: already holds {strangers[0]}, which is not of this phantom; empty the"
            " folder or give another"
        )


def _slices(settings: PhantomSettings, part: str) -> Iterator[_Slice]:
    """Yield image, label map (zero if the part is unlabelled) and patient of a part's slices."""
    count: int = getattr(settings, part)
    per_patient = min(_SLICES_PER_PATIENT, max(1, count // 2))
    for index in range(count):
        number, place = divmod(index, per_patient)
        entropy = [settings.seed, _PARTS.index(part), number]
        patient = draw_patient(np.random.default_rng([*entropy, 0]))
        rng = np.random.default_rng([*entropy, place + 1])
        z = patient.first_z + place * patient.spacing
        image, label_map = _image_section(patient, z, settings.size, rng)
        if part == _UNLABELLED:
            label_map = np.zeros_like(label_map)
        yield image, label_map, f"{part}_{number:03d}"


def _image_section(
    patient: Patient, z: float, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the image and the label map of a patient's section at z, uint8 (size, size)."""
    regions, tissue, tissues = _paint(section_shapes(patient, z), patient.body, size)
    image = _scan(tissue, tissues, size, rng)
    middle = _SUPERSAMPLING // 2
    return image, _label(regions[middle::_SUPERSAMPLING, middle::_SUPERSAMPLING], rng)


def _paint(
    shapes: list[Shape], body: tuple[float, float], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[Tissue]]:
    """Return the region codes and the tissue indices of a section, supersampled, and the tissues.

    Region 0 is outside the cavity, 1 the cavity; structures start at 2.
    """
    side = size * _SUPERSAMPLING
    regions, tissue = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
    tissues, codes = [_AIR], {CAVITY: 1}
    for shape in shapes:
        outline = (shape.outline * np.array(body)[:, None] + 1) * side / 2
        left, top = np.clip(np.floor(outline.min(axis=1)).astype(int), 0, side - 1)
        right, bottom = np.clip(np.ceil(outline.max(axis=1)).astype(int), 0, side - 1) + 1
        canvas = Image.new("1", (int(right - left), int(bottom - top)))
        corners = (outline - [[left], [top]]).T.ravel().tolist()
        ImageDraw.Draw(canvas).polygon(corners, fill=1)
        window = (slice(top, bottom), slice(left, right))
        painted = np.asarray(canvas)
        if shape.within == CAVITY:
            painted = painted & (regions[window] > 0)
        elif shape.within is not None:
            painted = painted & (regions[window] == codes[shape.within])
        tissue[window][painted] = len(tissues)
        tissues.append(shape.tissue)
        if shape.owner is not None:
            regions[window][painted] = codes.setdefault(shape.owner, len(codes) + 1)
    return regions, tissue, tissues


def _scan(
    tissue: NDArray[np.uint8], tissues: list[Tissue], size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the 8-bit image of a section: partial volume, texture, bias, blur, noise, window."""
    look = np.array([[t.grey, t.fine, t.coarse] for t in tissues])
    grey, fine, coarse = (_reduce(look[:, k][tissue], size) for k in range(3))
    grey += fine * _grain(rng, size, 0.008 * size) + coarse * _grain(rng, size, 0.02 * size)
    x = np.linspace(-1, 1, size)
    y = x[:, None]
    slope_x, slope_y, bow = rng.normal(0, 0.04, 3)
    grey *= 1 + slope_x * x + slope_y * y + bow * (x**2 + y**2 - 0.6)
    grey = ndimage.gaussian_filter(grey, 0.55) + _NOISE * _grain(rng, size, 0.6)
    image: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return image


def _reduce(values: _Floats, size: int) -> _Floats:
    blocks = values.reshape(size, _SUPERSAMPLING, size, _SUPERSAMPLING)
    mean: _Floats = blocks.mean(axis=(1, 3))
    return mean


def _grain(rng: np.random.Generator, size: int, scale: float) -> _Floats:
    """Return smooth Gaussian noise of unit variance; `scale` is the smoothing in pixels."""
    white = rng.standard_normal((size, size))
    grain: _Floats = ndimage.gaussian_filter(white, scale, mode="wrap")
    grain /= grain.std()
    return grain


def _label(regions: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the label map: the structures that are visible enough, with arbitrary ids."""
    seen = np.bincount(regions.ravel(), minlength=256)
    seen[:2] = 0
    largest = np.argsort(-seen, kind="stable")[:MAX_STRUCTURES]
    kept = largest[seen[largest] >= _MIN_SEEN * regions.size]
    ids = np.zeros(256, np.uint8)
    ids[kept] = rng.choice(np.arange(1, 41), kept.size, replace=False)
    return ids[regions]
