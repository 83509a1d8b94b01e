"""NIfTI volumes, one file or a folder, read slice by slice."""

import gzip
import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import in_slice_order
from fewshot.slices.label_names import files_beside
from fewshot.slices.limits import BoundedStream, allowed_bytes, check_slice, check_slice_count
from fewshot.slices.remarks import remark
from fewshot.slices.sources.nifti_channels import read_channels, refuse_channels
from fewshot.slices.sources.nifti_header import affine_mm
from fewshot.slices.sources.source import Skipped, SourceSlice
from fewshot.slices.volume import (
    Volume,
    Voxels,
    describe_slices,
    grid_of,
    picture_affine,
    slice_of,
    slice_position,
    slice_spacing,
)
from fewshot.slices.window import Window, apply_window

AXES = ("sagittal", "coronal", "axial")
_SUFFIXES = (".nii", ".nii.gz")
_HEADER_SHARE = 0.25  # of the budget: extensions are read twice
_MOST_PACKED = 1033  # DEFLATE's best: 258 bytes from two bits


def is_nifti(path: Path) -> bool:
    """Return whether the path is named like a NIfTI file, or a folder containing one."""
    if path.is_dir():
        return any(is_nifti(one) for one in path.iterdir() if one.is_file())
    return path.name.lower().endswith(_SUFFIXES) and not path.name.startswith(".")


def nifti_files(path: Path) -> list[Path]:
    """Return the NIfTI file itself, or the files of a folder in natural order."""
    if not path.is_dir():
        return [path]
    found = {one.name: one for one in path.iterdir() if one.is_file() and is_nifti(one)}
    return [found[name] for name in in_slice_order(found)]


def volume_name(path: Path) -> str:
    """Return a NIfTI file's name without its suffix."""
    lower = path.name.lower()
    return path.name[: -len(next(end for end in _SUFFIXES[::-1] if lower.endswith(end)))]


class NiftiVolume:
    """A three-dimensional NIfTI file, with only the header read at first."""

    def __init__(self, path: Path, axis: str | int = "axial") -> None:
        self.path = path
        self._image, header = _load(path)
        self.display_range = _display_range(header)
        shape = tuple(int(side) for side in self._image.shape)
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) != 3 or min(shape) < 1:
            more = f" ({shape[3]} volumes: split them)" if len(shape) == 4 else ""
            raise InputError(f"{path}: has shape {shape}{more}; give a volume of three dimensions")
        affine = tuple(
            tuple(map(float, row)) for row in affine_mm(self._image.affine, header, path)
        )
        try:
            draft = Volume((shape[0], shape[1], shape[2]), 0, affine, path.name)
            self.volume = replace(draft, axis=axis_of(axis, draft))
        except InputError as error:
            raise InputError(f"{path.parent / str(error)}") from error
        sides = [side for one, side in enumerate(shape) if one != self.volume.axis]
        size, depth = path.stat().st_size, self._image.dataobj.dtype.itemsize
        check_slice(sides[0], sides[1], depth, size, str(path))
        check_slice_count(len(self), size, str(path))
        self._check_length()
        self._voxels: Voxels | None = None

    def __len__(self) -> int:
        return self.volume.shape[self.volume.axis]

    def values(self, index: int) -> NDArray[Any]:
        """Return one slice as an upright picture, after the file's slope and intercept."""
        proxy = self._image.dataobj
        try:
            if self._voxels is None:
                self._voxels = self._open()
            picture = slice_of(self._voxels, self.volume.axis, index, self.volume.affine)
        except Exception as error:
            raise _unreadable(self.path, error) from error
        if (proxy.slope, proxy.inter) == (1, 0):
            return picture
        with np.errstate(all="ignore"):
            scaled: NDArray[Any] = picture.astype(np.float64) * proxy.slope + proxy.inter
            return scaled

    def _open(self) -> Voxels:
        """Return the stored values: mapped from a plain file, or unpacked if they fit."""
        proxy = self._image.dataobj
        held = math.prod(proxy.shape) * proxy.dtype.itemsize
        if self._packed() and held > allowed_bytes(self.path.stat().st_size):
            return _Stored(proxy)
        voxels: Voxels = proxy.get_unscaled().reshape(self.volume.shape)
        return voxels

    def _packed(self) -> bool:
        return self.path.suffix.lower() == ".gz"

    def _check_length(self) -> None:
        """Refuse a file that is too short for its shape before allocating that size."""
        proxy = self._image.dataobj
        if proxy.dtype.kind not in "biuf":
            raise InputError(f"{self.path}: holds {proxy.dtype} values; give plain numbers")
        expected = math.prod(proxy.shape) * proxy.dtype.itemsize
        held = self.path.stat().st_size * (_MOST_PACKED if self._packed() else 1)
        if expected > held:
            raise InputError(
                f"{self.path}: is cut short: shape {self.volume.shape} needs {expected} bytes"
            )


class _Stored:
    """The stored values of a file too large for memory, one slice at a time."""

    def __init__(self, proxy: Any) -> None:
        from nibabel.arrayproxy import ArrayProxy

        # Without scaling, which is applied to the slice; an open file continues where it stopped.
        spec = (proxy.shape, proxy.dtype, proxy.offset, 1.0, 0.0)
        self._proxy = ArrayProxy(proxy.file_like, spec, keep_file_open=True)

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any:
        return self._proxy[(*key, *(0,) * (len(self._proxy.shape) - 3))]


def _load(path: Path) -> tuple[Any, Any]:
    """Return nibabel's image of a file, and the header as stored."""
    # nibabel logs what it fixes in a header to standard error.
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            kind, header = _kind_of(path)
            image: Any = kind.from_filename(path)
            if not np.isfinite(np.asarray(image.affine)).all():
                raise ValueError("its affine is not finite")
            return image, header
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:
        raise _unreadable(path, error) from error


def _kind_of(path: Path) -> tuple[Any, Any]:
    """Return nibabel's class for a file, and its header, read by that class.

    Header extensions may announce any length, and are read completely.
    """
    import nibabel

    with path.open("rb") as raw:
        file = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw
        second = file.read(4) in ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
        kind = nibabel.nifti2.Nifti2Image if second else nibabel.nifti1.Nifti1Image
        file.seek(0)
        stream = BoundedStream(file, raw.tell, str(path), _HEADER_SHARE)
        header = kind.header_class.from_fileobj(stream, check=False)
    return kind, header


def axis_of(axis: str | int, volume: Volume) -> int:
    """Return the array axis for 0, 1, 2, axial, coronal or sagittal."""
    from nibabel.orientations import io_orientation

    if str(axis) in ("0", "1", "2"):
        return int(axis)
    if axis not in AXES:
        raise InputError(f"--axis {axis}: give axial, coronal, sagittal, 0, 1 or 2")
    world = io_orientation(np.array(volume.affine))[:, 0].tolist()
    return int(world.index(AXES.index(str(axis))))


class NiftiVolumes:
    """The slices of one NIfTI file or of all in a folder; each case is a group.

    `channel` selects a channel of each case by the end of the file names. `cases` has the case of
    each volume.
    """

    form = "NIfTI"
    ready = False

    def __init__(
        self, path: Path, axis: str | int = "axial", skip_bad: bool = False, channel: str = ""
    ) -> None:
        self.path, self._axis = path, axis
        self.volumes: dict[str, Volume] = {}
        self.skipped: list[Skipped] = []
        slices: list[SourceSlice] = []
        files: dict[str, Path] = {}
        for file in files_beside(nifti_files(path), "volumes")[0]:
            other = files.setdefault(volume_name(file), file)
            if other != file:
                raise InputError(f"{path}: {other.name!r} and {file.name!r} are one volume twice")
        names, self.cases, left = read_channels(list(files), channel, path)
        for name in names:
            file = files[name]
            try:
                one = NiftiVolume(file, axis)
            except InputError as error:
                if not skip_bad:
                    raise
                self.skipped.append(Skipped(str(error)))
                continue
            self.volumes[name] = one.volume
            slices += _slices(name, file, one.volume, self.cases[name])
        if not channel:
            refuse_channels(self.volumes, path)
        self.notes: Sequence[str] = [
            *([left] if left else []),
            *map(_reading, self.volumes.items()),
        ]
        self.warnings: Sequence[str] = ()
        self.slices: Sequence[SourceSlice] = slices
        self._open = lru_cache(maxsize=1)(lambda file: NiftiVolume(file, axis))

    def values(self, item: SourceSlice) -> NDArray[Any]:
        """Return a slice as an upright picture of the values in the file."""
        return self._open(item.key).values(item.index or 0)

    def picture(self, item: SourceSlice, window: Window | None) -> NDArray[np.uint8] | None:
        """Return a slice through the window, or None without one.

        The display range in a header is ignored: tools often leave one from other values.
        """
        if window is not None:
            return apply_window(self.values(item), window)
        low, high = self._open(item.key).display_range
        if low < high:
            centre, width = (low + high) / 2, high - low
            remark(
                f"cal_min and cal_max are not followed: --window {centre:g}/{width:g}", item.where
            )
        return None


def _reading(named: tuple[str, Volume]) -> str:
    name, volume = named
    grid, count = grid_of(picture_affine(volume)), volume.shape[volume.axis]
    way = next(way for way in AXES if axis_of(way, volume) == volume.axis)
    return f"volume {name!r}: {describe_slices(count, grid, count * grid.step)} ({way})"


def _slices(name: str, file: Path, volume: Volume, case: str) -> list[SourceSlice]:
    spacing = slice_spacing(volume.axis, volume.affine)
    return [
        SourceSlice(
            name=f"{name}_{index:04d}.png",
            where=f"{file}: slice {index}",
            key=file,
            group=case,
            volume=name,
            index=index,
            spacing=spacing,
            position=slice_position(volume.axis, index, volume.affine),
            file=file,
        )
        for index in range(volume.shape[volume.axis])
    ]


def _display_range(header: Any) -> tuple[float, float]:
    """Return the values that a header wants displayed as black and white, or 0 and 0."""
    low, high = float(header["cal_min"]), float(header["cal_max"])
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (0.0, 0.0)


def _unreadable(path: Path, error: Exception) -> InputError:
    # nibabel raises errors of all kinds.
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{path}: cannot be read as NIfTI ({reason}); save it again")
