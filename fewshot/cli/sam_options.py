"""Options that the commands of Segment Anything share, and what they stand for."""

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
        help="A file of SAM, MedSAM or our own, or vit_b, vit_l, vit_h, medsam by name.",
        show_default=False,
    ),
]
Slices = Annotated[Path, typer.Option("--data", help="COCO file of slices.", show_default=False)]
Embeddings = Annotated[
    Path | None,
    typer.Option(
        "--embeddings",
        help="Folder of embeddings: what is in it is used, what is not is added.",
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
    """Return what gives embeddings by a checkpoint; `InputError` when it cannot be used."""
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
    """Return the filter of a name, with its usual constants."""
    from fewshot.preprocess.filters import canny, clahe, laplacian_of_gaussian, sobel
    from fewshot.sam.input_transforms import Image, InputTransform

    filters: dict[str, Callable[[Image], Image]] = {
        "clahe": clahe,
        "sobel": sobel,
        "canny": canny,
        "log": laplacian_of_gaussian,
    }
    return InputTransform(name, filters.get(name))
