"""Matching labels and images by name, the same for all forms."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from fewshot.errors import InputError
from fewshot.slices.images import image_stem, name_a_few
from fewshot.slices.remarks import remark
from fewshot.slices.sources.source import SliceSource, SourceSlice

Renamed = Callable[[str], str]

_WORD = r"(?:labels?|masks?|seg|segm|segmentations?|gt|annotations?|roi|lesions?)"
_END = re.compile(rf"(.+?)[ _.-]+{_WORD}(?:[ _.-]*\d+)?", re.IGNORECASE)
_START = re.compile(rf"{_WORD}(?:[ _.-]+|(?=\d))(.+)", re.IGNORECASE)
_PICTURE = r"(?:images?|img|pictures?|volumes?|vol|scans?|slices?|frames?|ct|mri?|orig)"
_NUMBERED = re.compile(rf"{_PICTURE}[ _.-]*(\d.*)", re.IGNORECASE)
_CALLED = re.compile(rf"(.+?)[ _.-]+{_PICTURE}", re.IGNORECASE)
_CHANNEL = "_0000"  # nnU-Net appends the channel to the names of images, not of labels
_SUFFIXES = (".nii.gz", ".nii", ".npy", ".npz", ".dcm", ".dicom", ".ima")


def stem_of(name: str) -> str:
    """Return a file's name without the suffix of any form that is read."""
    lower = name.lower()
    found = next((end for end in _SUFFIXES if lower.endswith(end)), "")
    return image_stem(name[: len(name) - len(found)] if found else name)


def image_of(stem: str) -> str | None:
    """Return the image in a label's name: `a` for `a_mask`, `a_seg_2`, `label_a`."""
    match = _END.fullmatch(stem) or _START.fullmatch(stem)
    return match[1] if match else None


def labels_beside(names: Iterable[str]) -> set[str]:
    """Return the names that are labels of others among them, as `a_mask.png` next to `a.png`."""
    stems = {name: stem_of(name) for name in names}
    there = set(stems.values())
    return {name for name, stem in stems.items() if (image_of(stem) or stem) in there - {stem}}


def files_beside(files: Sequence[Path], what: str = "slices") -> tuple[list[Path], list[Path]]:
    """Return the images, and the files that are labels of these by name."""
    beside = labels_beside(one.name for one in files)
    for one in files:
        if one.name in beside:
            remark(f"a label of another image by its name, not one of the {what}", str(one))
    images = [one for one in files if one.name not in beside]
    return images, [one for one in files if one.name in beside]


def label_files(path: Path, source: SliceSource, files: Sequence[Path]) -> list[Path]:
    """Return the label files at `path`, which may be the folder of the images.

    Raises `InputError` if each image would be its own label.
    """
    if not path.samefile(source.path):
        return list(files)
    beside = files_beside(files)[1] if path.is_dir() else []
    if not beside:
        raise InputError(
            f"{path}: holds the images, and each would be its own label; give the labels, or name"
            " them as their images with _mask behind (a.png, a_mask.png)"
        )
    return beside


def slice_names(source: SliceSource, renamed: Renamed | None = None) -> dict[str, list[str]]:
    """Return the names that a label of each slice may have: of the slice, and of its file.

    Slices of one file are named by file and index, `ct_7`, counted from 0. `renamed` gives the name
    under which a slice is written, if different.
    """
    items = source.slices
    files = [origin_of(item) for item in items]
    count: dict[Path, int] = defaultdict(int)
    places = []
    for file in files:
        places.append(count[file])
        count[file] += 1
    names = {}
    for item, file, place in zip(items, files, places, strict=True):
        stem = stem_of(file.name)
        names[item.name] = [image_stem(item.name), stem if count[file] == 1 else f"{stem}_{place}"]
    if all(one[0].endswith(_CHANNEL) for one in names.values()):
        for one in names.values():
            one.append(one[0].removesuffix(_CHANNEL))
    more = {name: [*its, *_without_word(its[0])] for name, its in names.items()}
    return {name: [*its, *_other(its[0], renamed)] for name, its in more.items()}


def volume_names(source: SliceSource, renamed: Renamed | None = None) -> dict[str, list[str]]:
    """Return the names that labels of each volume may have: of the volume, file or folder."""
    files: dict[str, set[Path]] = defaultdict(set)
    for item in source.slices:
        if item.volume is not None:
            files[item.volume].add(origin_of(item))
    names = {}
    for volume in source.volumes:
        held = files[volume]
        only = next(iter(held)) if len(held) == 1 else None
        folders = {one.parent.name for one in held}
        names[volume] = [volume]
        names[volume] += [stem_of(only.name)] if only else sorted(folders) * (len(folders) == 1)
        names[volume] += [*_without_word(volume), *_other(volume, renamed)]
    return names


def _other(name: str, renamed: Renamed | None) -> list[str]:
    other = name if renamed is None else renamed(name)
    return [other] if other != name else []


def _without_word(name: str) -> list[str]:
    """Return the number or name of `image_7`, `volume-7` and `7_img`, for a label `label_7`."""
    match = _NUMBERED.fullmatch(name) or _CALLED.fullmatch(name)
    return [match[1]] if match else []


def origin_of(item: SourceSlice) -> Path:
    """Return the file that a slice is read from."""
    return item.file or Path(item.where)


def match_names(wanted: Mapping[str, Sequence[str]], labels: Iterable[str]) -> dict[str, str]:
    """Return label → image, a key of `wanted`, without labels of other images.

    `wanted` has the names of each image. A label has the image's name, possibly with a word for
    labels before or after it. Case and leading zeros are ignored if that is unambiguous.
    """
    exact = _index(wanted)
    loose = _index({image: [_loose(one) for one in names] for image, names in wanted.items()})
    found = {}
    for label in labels:
        stem = stem_of(label)
        for name in (stem, image_of(stem)):
            image = name and (exact.get(name) or loose.get(_loose(name)))
            if image:
                found[label] = image
                break
    return found


def refuse_strange(
    path: Path,
    labels: Iterable[str],
    found: Collection[str],
    wanted: Mapping[str, Sequence[str]],
    skipped: bool,
) -> None:
    """Raise `InputError` for labels without an image, with the names of the images.

    Labels of images that were `skipped` are skipped and reported.
    """
    strange = [label for label in labels if label not in found]
    if not strange:
        return
    if skipped and found:
        for label in strange:
            remark(f"labels of {path} without an image that was read are passed over", label)
        return
    own = [names[0] for names in wanted.values()]
    raise InputError(
        f"{path}: no image for {name_a_few(strange)}; name labels as their images: "
        f"{name_a_few(own) if own else 'there are none'}"
    )


def _index(names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the image of each unambiguous name; first names of images take precedence."""
    index: dict[str, str] = {}
    for place in range(max(map(len, names.values()), default=0)):
        owners: dict[str, set[str]] = defaultdict(set)
        for image, its in names.items():
            if place < len(its):
                owners[its[place]].add(image)
        for name, images in owners.items():
            if len(images) == 1:
                index.setdefault(name, *images)
    return index


def _loose(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", name.casefold())
