"""A contact sheet: slices with the outlines of their structures, as one PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fewshot.drawing.palette import DARK_INK, DARK_MUTED, DARK_PAGE
from fewshot.drawing.slice_tile import (
    CAPTION,
    SIDE,
    Edges,
    Tile,
    draw_tile,
    edges_of,
    font,
    shortened,
    wrapped,
)
from fewshot.errors import InputError
from fewshot.files import atomic_path
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.rle import decode
from fewshot.slices.images import read_image
from fewshot.text import counted

_COLUMNS = 8
_GAP = 12
_LINE = 18
_TITLE, _NOTE = 15, 13
_HEADER = 2 * _LINE + _GAP
_STEP = SIDE + CAPTION + _GAP

WITH_LETTERS = (
    "Letters at the edges, from the geometry in the file, are the patient's sides: R right (where "
    "the liver lies), L left, A front, P back (where the spine lies), S head, I feet."
)
WITHOUT_LETTERS = (
    "The images do not say which way is up: compare them and their outlines with the anatomy."
)


def write_contact_sheet(target: Path, parts: Mapping[str, SliceSet], most: int = 40) -> int:
    """Draw a contact sheet, write it atomically as PNG, and return the number of slices shown."""
    chosen = {title: choose(slices, count) for title, slices, count in _shares(parts, most)}
    sheet = contact_sheet(parts, chosen)
    with atomic_path(target) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    return sum(len(records) for records in chosen.values())


def contact_sheet(
    parts: Mapping[str, SliceSet], chosen: Mapping[str, Sequence[SliceRecord]]
) -> Image.Image:
    """Return the picture of the chosen slices of named sets, one block a set.

    Slices are drawn in the proportions of their spacing, with the outlines of their masks and, if
    they come from a volume with a geometry, letters for the patient's sides. Where an image is
    missing, broken or of another size, the sheet says so.
    """
    columns = min(_COLUMNS, max([3, *map(len, chosen.values())]))
    rows = {title: -(-len(records) // columns) for title, records in chosen.items()}
    width = columns * (SIDE + _GAP) + _GAP
    height = sum(_HEADER + count * _STEP for count in rows.values()) + 3 * _LINE + 2 * _GAP
    sheet = Image.new("RGB", (width, height), DARK_PAGE)
    pen = ImageDraw.Draw(sheet)
    top, lettered = _GAP, False
    for title, records in chosen.items():
        slices = parts[title]
        edges = {name: edges_of(volume) for name, volume in slices.volumes.items()}
        words = shortened(f"{title}: {describe(slices, len(records))}", width - 2 * _GAP, _TITLE)
        pen.text((_GAP, top), words, DARK_INK, font(_TITLE))
        for place, record in enumerate(records):
            down, across = divmod(place, columns)
            corner = (_GAP + across * (SIDE + _GAP), top + 2 * _LINE + down * _STEP)
            tile = _tile(slices, record, edges.get(record.volume or ""))
            lettered |= tile.edges is not None
            sheet.paste(draw_tile(tile), corner)
        top += _HEADER + rows[title] * _STEP
    note = wrapped(WITH_LETTERS if lettered else WITHOUT_LETTERS, width - 2 * _GAP, _NOTE)
    for line, words in enumerate(note):
        pen.text((_GAP, top + line * _LINE), words, DARK_MUTED, font(_NOTE))
    return sheet.crop((0, 0, width, top + len(note) * _LINE + _GAP))


def describe(slices: SliceSet, shown: int) -> str:
    """Return the size of a set in words: slices, patients, labelled slices, structures."""
    counts = [len(slices.masks_of(record.image_id)) for record in slices.records]
    labelled = [count for count in counts if count]
    groups = {record.group for record in slices.records} - {None}
    words = [counted(len(counts), "slice")]
    if groups:
        words.append(counted(len(groups), "patient"))
    if labelled:
        low, high = min(labelled), max(labelled)
        span = counted(low, "structure") if low == high else f"{low} to {high} structures"
        words.append(f"{len(labelled)} labelled with {span} each")
    else:
        words.append("no labels")
    if shown < len(counts):
        words.append(f"{shown} shown")
    return ", ".join(words)


def choose(slices: SliceSet, most: int) -> list[SliceRecord]:
    """Return at most `most` slices, spread evenly over the set.

    If only some slices have labels, four fifths of the places go to them.
    """
    labelled: list[int] = []
    others: list[int] = []
    for place, record in enumerate(slices.records):
        (labelled if len(slices.masks_of(record.image_id)) else others).append(place)
    reserved = min(len(others), most // 5 if labelled else most)
    chosen = spread(labelled, most - reserved) if labelled else []
    chosen += spread(others, most - len(chosen)) if others else []
    return [slices.records[place] for place in sorted(chosen)]


def spread(ranked: Sequence[int], most: int) -> list[int]:
    """Return at most `most` items of a ranking, evenly from its first to its last."""
    chosen = np.linspace(0, len(ranked) - 1, min(most, len(ranked))).round().astype(int)
    return [ranked[index] for index in chosen]


def _shares(parts: Mapping[str, SliceSet], most: int) -> list[tuple[str, SliceSet, int]]:
    """Return how many slices of each set are shown: as equal as the sizes allow."""
    shares: dict[str, int] = {}
    left = most
    for number, title in enumerate(sorted(parts, key=lambda title: len(parts[title]))):
        shares[title] = min(len(parts[title]), max(1, left // (len(parts) - number)))
        left = max(0, left - shares[title])
    return [(title, slices, shares[title]) for title, slices in parts.items() if len(slices)]


def _tile(slices: SliceSet, record: SliceRecord, edges: Edges | None) -> Tile:
    masks = slices.masks_of(record.image_id)
    image, problem = _image(slices, record)
    rows, columns = record.spacing or (1.0, 1.0)
    owner = record.group or record.volume
    count = counted(len(masks), "structure") if len(masks) else "no labels"
    return Tile(
        image=image,
        masks=(decode(rle) for rle in masks.rles),
        proportions=(record.height * rows, record.width * columns),
        edges=edges,
        problem=problem,
        caption=(_name(record), " · ".join(filter(None, (owner, count)))),
    )


def _image(slices: SliceSet, record: SliceRecord) -> tuple[NDArray[np.uint8], str | None]:
    """Return a slice's image and None, or a black image and what is wrong with the file."""
    black = np.zeros((record.height, record.width), np.uint8)
    try:
        image = read_image(slices.path_of(record))
    except InputError:
        return black, "image missing or broken"
    if image.shape != black.shape:
        height, width = image.shape
        return black, f"image is {height} x {width}, masks are {record.height} x {record.width}"
    return image, None


def _name(record: SliceRecord) -> str:
    if record.position is None:
        return record.file_name
    return f"{record.file_name} · {record.position:.1f} mm"
