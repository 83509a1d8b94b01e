"""A set of slices with their masks, the content of a COCO file."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fewshot.errors import InputError
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import image_size
from fewshot.slices.place import Place
from fewshot.slices.volume import Volume


@dataclass(frozen=True)
class SliceRecord(Place):
    """One slice: id, file below the folder of images, size, and origin."""

    image_id: int
    file_name: str
    height: int
    width: int


@dataclass(frozen=True)
class SliceSet:
    """Slices of one folder, their masks by image id, and their volumes.

    COCO files below `home`, such as a run directory, refer to the folder by a relative path.

    Raises `InputError` when two slices share an id or a file, masks belong to no slice or to one
    of another size, or a slice is not in the volume it names.
    """

    images: Path
    records: tuple[SliceRecord, ...]
    masks: Mapping[int, SliceMasks]
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    home: Path | None = None
    _by_id: dict[int, SliceRecord] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {record.image_id: record for record in self.records})
        ids: set[int] = set()
        names: set[str] = set()
        for record in self.records:
            if record.image_id in ids:
                raise InputError(f"image {record.image_id}: two slices have this id")
            if record.file_name in names:
                raise InputError(f"image {record.image_id}: {record.file_name!r} is listed twice")
            ids.add(record.image_id)
            names.add(record.file_name)
        _check_places(self.records, self.volumes)
        for image_id, masks in self.masks.items():
            owner = self._by_id.get(image_id)
            if owner is None or masks.image_id != image_id:
                raise InputError(f"image {image_id}: has masks but is not among the slices")
            if (masks.height, masks.width) != (owner.height, owner.width):
                raise InputError(
                    f"image {image_id}: masks are {masks.height} x {masks.width}, "
                    f"the slice is {owner.height} x {owner.width}"
                )

    def __len__(self) -> int:
        return len(self.records)

    @property
    def groups(self) -> dict[str, str] | None:
        """The group (patient) of each slice by file name; None unless all are known."""
        known = {one.file_name: one.group for one in self.records if one.group is not None}
        return known if len(known) == len(self.records) else None

    @property
    def has_structures(self) -> bool:
        """Whether there are masks, and every one knows which structure it belongs to."""
        known = [bool(masks.structures) for masks in self.masks.values() if len(masks)]
        return bool(known) and all(known)

    def masks_of(self, image_id: int) -> SliceMasks:
        """Return the masks of a slice, possibly empty; `InputError` for an unknown id."""
        if image_id in self.masks:
            return self.masks[image_id]
        record = self._by_id.get(image_id)
        if record is None:
            raise InputError(f"image {image_id}: no slice has this id")
        return SliceMasks.empty(image_id, record.height, record.width)

    def path_of(self, record: SliceRecord) -> Path:
        """Return the path of a slice's image file."""
        return self.images / record.file_name

    def subset(self, image_ids: Iterable[int]) -> "SliceSet":
        """Return the slices with these ids, in their own order; `InputError` for unknown ids."""
        wanted = set(image_ids)
        unknown = wanted - self._by_id.keys()
        if unknown:
            raise InputError(f"image {min(unknown)}: no slice has this id")
        return replace(
            self,
            records=tuple(record for record in self.records if record.image_id in wanted),
            masks={key: masks for key, masks in self.masks.items() if key in wanted},
        )

    def in_order(self) -> "SliceSet":
        """Return the same slices in order of image id, as in COCO files."""
        records = sorted(self.records, key=lambda record: record.image_id)
        return replace(self, records=tuple(records))

    def with_masks(self, masks: Iterable[SliceMasks]) -> "SliceSet":
        """Return the same slices with these masks in place of their own."""
        by_id: dict[int, SliceMasks] = {}
        for one in masks:
            if one.image_id in by_id:
                raise InputError(f"image {one.image_id}: masks are given twice")
            by_id[one.image_id] = one
        return replace(self, masks=by_id)


def check_images(slices: SliceSet) -> SliceSet:
    """Return the slices; `InputError` when an image is missing, unreadable or of another size."""
    for record in slices.records:
        path = slices.path_of(record)
        size = image_size(path)
        if size != (record.height, record.width):
            raise InputError(
                f"{path}: is {size[0]} x {size[1]} pixels, but {record.height} x {record.width} "
                "in the COCO file; convert the images again"
            )
    return slices


def _check_places(records: Iterable[SliceRecord], volumes: Mapping[str, Volume]) -> None:
    taken: set[tuple[str, int]] = set()
    for record in records:
        where = f"image {record.image_id}"
        numbers = [*(record.spacing or ()), *([] if record.position is None else [record.position])]
        if not all(math.isfinite(number) for number in numbers) or min(record.spacing or (1,)) <= 0:
            raise InputError(f"{where}: spacing or position is not a usable number of millimetres")
        if record.volume is None:
            continue
        volume = volumes.get(record.volume)
        if volume is None or record.index is None:
            raise InputError(f"{where}: volume {record.volume!r} is not described, or has no index")
        if not 0 <= record.index < volume.shape[volume.axis]:
            raise InputError(f"{where}: index {record.index} is outside volume {record.volume!r}")
        sides = [side for axis, side in enumerate(volume.shape) if axis != volume.axis]
        if sorted(sides) != sorted((record.height, record.width)):
            raise InputError(
                f"{where}: is {record.height} x {record.width}, but the slices of volume "
                f"{record.volume!r} have sides {sides[0]} and {sides[1]}"
            )
        if (record.volume, record.index) in taken:
            raise InputError(f"{where}: two slices are slice {record.index} of {record.volume!r}")
        taken.add((record.volume, record.index))
