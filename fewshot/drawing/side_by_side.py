"""Slices with the masks of several sources side by side, as one PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from fewshot.drawing.contact_sheet import spread
from fewshot.drawing.palette import DARK_INK, DARK_MUTED, DARK_PAGE
from fewshot.drawing.slice_tile import CAPTION, SIDE, Tile, draw_tile, font
from fewshot.files import atomic_path
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import decode
from fewshot.slices.images import read_image

_MOST = 8
_GAP = 12
_HEADER = 34
_TITLE = 15

Captions = Mapping[int, str]  # image id → text below a tile
Column = tuple[str, Mapping[int, SliceMasks], Captions]


def write_side_by_side(
    target: Path,
    slices: SliceSet,
    columns: Sequence[Column],
    note: str,
) -> None:
    """Draw one row per slice and one column per source of masks; write it atomically as PNG.

    Args:
        target: PNG file.
        slices: `_MOST` of them, evenly spread, are drawn.
        columns: name, masks and captions by image id; a slice without masks is drawn bare.
        note: text at the top.
    """
    records = [slices.records[place] for place in spread(range(len(slices)), _MOST)]
    width = _GAP + len(columns) * (SIDE + _GAP)
    height = _HEADER + 24 + len(records) * (SIDE + CAPTION + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), DARK_PAGE)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 8), note, DARK_MUTED, font(12))
    for column, (name, masks, captions) in enumerate(columns):
        left = _GAP + column * (SIDE + _GAP)
        pen.text((left, _HEADER), name, DARK_INK, font(_TITLE))
        for row, record in enumerate(records):
            top = _HEADER + 28 + row * (SIDE + CAPTION + _GAP)
            tile = _tile(slices, record, masks.get(record.image_id), captions)
            sheet.paste(draw_tile(tile), (left, top))
    with atomic_path(target) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _tile(
    slices: SliceSet, record: SliceRecord, masks: SliceMasks | None, captions: Captions
) -> Tile:
    outlines = () if masks is None else (decode(rle) for rle in masks.rles)
    spacing = record.spacing or (1.0, 1.0)
    return Tile(
        image=read_image(slices.path_of(record)),
        masks=outlines,
        proportions=(record.height * spacing[0], record.width * spacing[1]),
        edges=None,
        problem=None,
        caption=(record.file_name, captions.get(record.image_id, "")),
    )
