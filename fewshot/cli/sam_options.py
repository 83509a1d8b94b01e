"""Options shared by the commands of Segment Anything, and their objects."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from fewshot.config.sam import EncoderSettings
    from fewshot.sam.embeddings import Embedder
    from fewshot.sam.input_transforms import InputTransform

Checkpoint = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        help="Checkpoint file of SAM, MedSAM or fewshot, or vit_b, vit_l, vit_h or medsam.",
        show_default=False,
    ),
]
Slices = Annotated[Path, typer.Option("--data", help="COCO file of slices.", show_default=False)]
Embeddings = Annotated[
    Path | None,
    typer.Option(
        "--embeddings",
        help="Folder of embeddings, which are reused or added.",
        show_default=False,
    ),
]
Filter = Literal["raw", "clahe", "sobel", "canny", "log"]


def embedder_of(
    checkpoint: str,
    embeddings: Path | None,
    encoder: "EncoderSettings",
    number: Literal["float16", "float32"] = "float16",
) -> "Embedder":
    """Return the embedder of a checkpoint; `InputError` when it cannot be used."""
    from fewshot.sam.embeddings import Embedder
    from fewshot.sam.model import load_sam

    return Embedder(
        load_sam(checkpoint, encoder.device),
        embeddings,
        number,
        batch_size=encoder.batch_size,
        mixed_precision=encoder.mixed_precision,
    )


def treatment_of(name: Filter) -> "InputTransform":
    """Return the filter of this name, with its default constants."""
    from fewshot.preprocess.filters import canny, clahe, laplacian_of_gaussian, sobel
    from fewshot.sam.input_transforms import Image, InputTransform

    filters: dict[str, Callable[[Image], Image]] = {
        "clahe": clahe,
        "sobel": sobel,
        "canny": canny,
        "log": laplacian_of_gaussian,
    }
    return InputTransform(name, filters.get(name))
