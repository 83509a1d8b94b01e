"""`fewshot volume` and `fewshot volume-agreement`."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.options import Json, Out, Overwrite, print_json
from fewshot.cli.settings_options import settings_as_options
from fewshot.config.volume import AgreementSettings, VolumeSettings
from fewshot.folders import prepare_folder

Spacing = Annotated[
    str | None,
    typer.Option(
        "--spacing",
        help="For slices without geometry: mm of a column, of a row, and from one number to the "
        'next ("0.05 0.05 0.08").',
        show_default=False,
    ),
]


@settings_as_options
def volume(
    masks: Annotated[Path, typer.Option(help="COCO file, or NIfTI label volumes.")],
    out: Out,
    settings: VolumeSettings,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, if other than in the file.")
    ] = None,
    annotator: Annotated[
        list[Path] | None,
        typer.Option(help="Masks of an annotator to draw on the page; may be repeated."),
    ] = None,
    spacing: Spacing = None,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Stack masks into volumes: link structures, measure mm³ and ml, write grids and surfaces.

    Writes volumes.csv and volumes.json, NAME.nii.gz, meshes/NAME_ID.ply, NAME.html, and linked.json
    if structures were linked across slices.
    """
    from fewshot.slices.sequence import parse_spacing
    from fewshot.volume.reconstruct import Request, reconstruct

    prepare_folder(out, overwrite)
    request = Request(
        masks=masks,
        images=images,
        annotators=tuple(annotator or ()),
        spacing=parse_spacing(spacing),
        settings=settings,
    )
    made = reconstruct(request, out, overwrite)
    if json_:
        print_json(made)


@settings_as_options
def volume_agreement(
    model: Annotated[Path, typer.Option(help="Masks of the model: COCO, or NIfTI labels.")],
    annotator: Annotated[list[Path], typer.Option(help="Masks of an annotator; may be repeated.")],
    out: Out,
    settings: AgreementSettings,
    spacing: Spacing = None,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Compare a model's volumes with those of one or several annotators.

    Dice, surface distances in mm, volume differences, Cohen's and Fleiss' kappa, time per slice.
    Writes agreement.csv, agreement.json and the Bland-Altman figure bland_altman.png.
    """
    from fewshot.slices.sequence import parse_spacing
    from fewshot.volume.agreement import AgreementRequest, agreement

    prepare_folder(out, overwrite)
    request = AgreementRequest(
        model=model,
        annotators=tuple(annotator),
        spacing=parse_spacing(spacing),
        settings=settings,
    )
    made = agreement(request, out, overwrite)
    if json_:
        print_json(made)
