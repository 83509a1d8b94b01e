"""`fewshot volume` and `fewshot volume-agreement`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fewshot.cli.options import Json, Out, print_json, refuse_filled
from fewshot.errors import InputError

Spacing = Annotated[
    str | None,
    typer.Option(
        "--spacing",
        help='mm of a column, a row and a slice ("0.05 0.05 0.08"), for slices without geometry.',
        show_default=False,
    ),
]
ScoreThreshold = Annotated[
    float, typer.Option(min=0, max=1, help="Masks with a lower score are left out.")
]
Linking = Annotated[
    Literal["auto", "always", "never"],
    typer.Option(help="Find out which masks are one structure; auto: where the file does not say."),
]
MaxVoxels = Annotated[
    int, typer.Option(min=1, help="Refuse larger stacks, for a file may claim any size.")
]


def volume(
    masks: Annotated[Path, typer.Option(help="COCO file, or NIfTI label volumes.")],
    out: Out,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, if not the one the file names.")
    ] = None,
    annotator: Annotated[
        list[Path] | None,
        typer.Option(help="Masks of an annotator, drawn on the page; may be repeated."),
    ] = None,
    spacing: Spacing = None,
    score_threshold: ScoreThreshold = 0.0,
    link: Linking = "auto",
    join: Annotated[
        Literal["auto", "always", "never"],
        typer.Option(help="Regions that lie apart and flow together are one structure."),
    ] = "auto",
    planes: Annotated[
        int | None,
        typer.Option(min=1, max=32, help="Planes a slice when interpolating; else even voxels."),
    ] = None,
    keep: Annotated[
        Literal["all", "largest"], typer.Option(help="All parts of a structure, or the largest.")
    ] = "all",
    min_mm3: Annotated[
        float, typer.Option(min=0, help="Parts smaller than this are left out.")
    ] = 0,
    fill_holes: Annotated[
        bool, typer.Option("--fill-holes", help="Fill cavities closed on all sides.")
    ] = False,
    smooth: Annotated[
        float, typer.Option(min=0, max=100, help="σ in mm of a smoothing that keeps the volume.")
    ] = 0,
    mesh: Annotated[
        list[str] | None,
        typer.Option(help="Form of surfaces: ply, stl, glb, none."),
    ] = None,
    grid: Annotated[
        Literal["slices", "interpolated", "none"], typer.Option(help="NIfTI grid to write.")
    ] = "slices",
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Write a page to turn and step through.")
    ] = True,
    max_voxels: MaxVoxels = 1 << 30,
    json_: Json = False,
) -> None:
    """Stack masks into volumes: link structures, measure mm3 and ml, write grids and surfaces.

    Writes volumes.csv and volumes.json, NAME.nii.gz, meshes/NAME_ID.ply, NAME.html, and linked.json
    where structures were linked across slices.
    """
    from fewshot.slices.sequence import parse_spacing
    from fewshot.volume.clean import CleanRule
    from fewshot.volume.link import LinkRule
    from fewshot.volume.reconstruct import Request, reconstruct

    refuse_filled(out)
    request = Request(
        masks=masks,
        images=images,
        annotators=tuple(annotator or ()),
        spacing=None if spacing is None else parse_spacing(spacing),
        score_threshold=score_threshold,
        link=link,
        link_rule=LinkRule(join=join),
        clean=CleanRule(keep, min_mm3, fill_holes, smooth),
        planes=planes,
        meshes=_forms(mesh),
        grid=grid,
        page=page,
        max_voxels=max_voxels,
    )
    made = reconstruct(request, out)
    if json_:
        print_json(made)


def volume_agreement(
    model: Annotated[Path, typer.Option(help="Masks of the model: COCO, or NIfTI labels.")],
    annotator: Annotated[list[Path], typer.Option(help="Masks of an annotator; may be repeated.")],
    out: Out,
    spacing: Spacing = None,
    score_threshold: ScoreThreshold = 0.0,
    link: Linking = "auto",
    model_seconds: Annotated[
        float | None,
        typer.Option(min=0, help="Time the model took for all slices.", show_default=False),
    ] = None,
    annotation_seconds: Annotated[
        float | None,
        typer.Option(min=0, help="Time an annotator took for all.", show_default=False),
    ] = None,
    max_voxels: MaxVoxels = 1 << 30,
    json_: Json = False,
) -> None:
    """Compare a model's volumes with those of one or several annotators.

    Dice, surface distances in mm, volume differences, Cohen's and Fleiss' kappa, time per slice.
    Writes agreement.csv, agreement.json and the Bland-Altman figure bland_altman.png.
    """
    from fewshot.slices.sequence import parse_spacing
    from fewshot.volume.agreement import AgreementRequest, agreement

    refuse_filled(out)
    request = AgreementRequest(
        model=model,
        annotators=tuple(annotator),
        spacing=None if spacing is None else parse_spacing(spacing),
        score_threshold=score_threshold,
        link=link,
        model_seconds=model_seconds,
        annotation_seconds=annotation_seconds,
        max_voxels=max_voxels,
    )
    made = agreement(request, out)
    if json_:
        print_json(made)


def _forms(given: list[str] | None) -> Any:
    forms = tuple(dict.fromkeys(given or ["ply"]))
    for form in forms:
        if form not in ("ply", "stl", "glb", "none"):
            raise InputError(f"--mesh {form}: give ply, stl, glb or none")
    return () if "none" in forms else forms
