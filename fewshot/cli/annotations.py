"""`fewshot annotations extract`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewshot.cli.options import Json, Out, Overwrite, print_json
from fewshot.errors import InputError
from fewshot.folders import prepare_folder

if TYPE_CHECKING:
    from fewshot.captures.frame import Frame

annotations = typer.Typer(
    no_args_is_help=True, help="Annotations that were drawn in other programs."
)


@annotations.command("extract")
def extract(
    captures: Annotated[Path, typer.Option(help="Folder of screen captures with contours.")],
    out: Out,
    images: Annotated[
        Path | None,
        typer.Option(help="The same captures without contours, with the same file names."),
    ] = None,
    colour: Annotated[
        str,
        typer.Option(
            help="Colour of the contours: blue, cyan, green, yellow, red, magenta, or ranges of "
            "HUE,SATURATION,VALUE such as 20-128,100-255,100-255 (hue 0 to 180)."
        ),
    ] = "blue",
    frame: Annotated[
        str,
        typer.Option(help="Of the image in a capture: auto, none, or LEFT,TOP,WIDTH,HEIGHT."),
    ] = "auto",
    size: Annotated[
        int | None,
        typer.Option(min=16, max=4096, help="Longer side of the written images, pixels."),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Spacing in mm: between the capture's columns, between its rows, between captures."
        ),
    ] = None,
    max_gap: Annotated[
        float,
        typer.Option(min=0, max=2, help="Largest gap to close, per shorter side of the frame."),
    ] = 0.25,
    min_area: Annotated[
        int, typer.Option(min=1, help="Smallest region, in pixels of the capture.")
    ] = 64,
    keep_line: Annotated[
        bool, typer.Option("--keep-line", help="Keep the contours in the images.")
    ] = False,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Turn screen captures with drawn contours into images, masks and COCO.

    Finds the image in the captures and the outlines by their colour, closes and fills them, and
    inpaints the lines. Look at check.png afterwards.
    """
    from fewshot.captures.colour import parse_colour
    from fewshot.captures.extract import ExtractRequest
    from fewshot.captures.extract import extract as extract_captures
    from fewshot.slices.sequence import parse_spacing

    prepare_folder(out, overwrite)
    request = ExtractRequest(
        captures=captures,
        originals=images,
        colour=parse_colour(colour),
        frame=_frame(frame, captures),
        size=size,
        max_gap=max_gap,
        min_area=min_area,
        spacing=parse_spacing(spacing),
        keep_line=keep_line,
    )
    made = extract_captures(request, out, overwrite)
    if json_:
        print_json(made)


def _frame(text: str, captures: Path) -> "Frame | None":
    from fewshot.captures.frame import Frame
    from fewshot.slices.images import image_size, list_images

    if text == "auto":
        return None
    if text == "none":
        height, width = image_size(list_images(captures)[0])
        return Frame(0, 0, height, width)
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--frame {text}: give auto, none, or LEFT,TOP,WIDTH,HEIGHT in pixels")
    left, top, width, height = (int(part) for part in parts)
    if min(width, height) < 1:
        raise InputError(f"--frame {text}: width and height must be 1 or more")
    return Frame(top, left, top + height, left + width)
