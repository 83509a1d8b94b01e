"""`fewshot look` and `fewshot export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fewshot.cli.options import Json, Out, Overwrite, print_json
from fewshot.errors import InputError
from fewshot.folders import filled_folder
from fewshot.text import counted

if TYPE_CHECKING:
    from fewshot.masks.coco import SliceSet
    from fewshot.masks.merge import MergeRule

Form = Literal["label-png", "nifti", "coco-results"]
Images = Annotated[
    Path | None, typer.Option(help="Folder of the images, if other than in the file.")
]


def look(
    file: Annotated[Path, typer.Argument(help="COCO file of slices, with masks or without.")],
    out: Annotated[Path, typer.Option("--out", help="PNG file to write.", show_default=False)],
    images: Images = None,
    slices: Annotated[
        int, typer.Option(min=1, max=400, help="Largest number of slices to show.")
    ] = 40,
    json_: Json = False,
) -> None:
    """Draw a contact sheet of slices with outlines, to check images and masks at a glance."""
    from fewshot.drawing.contact_sheet import write_contact_sheet
    from fewshot.masks.coco import read_coco

    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out}: give a file name that ends in .png")
    found = read_coco(file, images)
    if not len(found):
        raise InputError(f"{file}: has no slices, so there is nothing to look at")
    shown = write_contact_sheet(out, {file.stem: found}, slices)
    if json_:
        print_json({"file": str(out), "shown": shown})


def export(
    masks: Annotated[Path, typer.Option(help="COCO file of labels, predictions or merged masks.")],
    form: Annotated[
        Form,
        typer.Option(
            help="label-png: an 8-bit PNG per slice; nifti: volumes with the original affine; "
            "coco-results: results.json."
        ),
    ],
    out: Out,
    score_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Masks with a lower score are left out.")
    ] = 0.0,
    background: Annotated[
        Literal["keep", "nearest"],
        typer.Option(help="Keep pixels without a region, or give them the nearest one."),
    ] = "keep",
    max_voxels: Annotated[
        int, typer.Option(min=1, help="Refuse larger volumes, because a file may claim any size.")
    ] = 1 << 30,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Export masks as label PNGs, NIfTI volumes or COCO results, for other tools.

    In PNGs and volumes a pixel in several masks belongs to the one with the highest score. Ids are
    those of the structures if the file has them (see fewshot volume); otherwise they run from 1 by
    score on each slice. Slices without masks are all 0.
    """
    from fewshot.masks.coco import read_coco
    from fewshot.masks.merge import MergeRule

    if form == "coco-results" and background != "keep":
        raise InputError("--background nearest: COCO results are masks and have no background")
    rule = MergeRule(score_threshold, 0, background)
    with filled_folder(out, overwrite) as folder:
        slices = read_coco(masks)
        try:
            summary = _write(form, slices, rule, folder, max_voxels)
        except InputError as error:
            raise InputError(f"{masks}: {error}") from error
    if json_:
        print_json({"form": form, "folder": str(out), **summary})


def _write(
    form: Form, slices: "SliceSet", rule: "MergeRule", folder: Path, max_voxels: int
) -> dict[str, int]:
    from fewshot.export.forms import overlapping, write_coco_results, write_label_pngs
    from fewshot.export.nifti import by_volume, write_volumes
    from fewshot.progress import say, warn

    if form == "coco-results":
        count = write_coco_results(folder / "results.json", slices, rule.score_threshold)
        if not count:
            warn("no mask has this score: the list is empty, which pycocotools cannot load")
        say(f"exported {counted(count, 'mask')} of {counted(len(slices), 'slice')} to results.json")
        return {"files": 1, "slices": len(slices), "masks": count}
    if form == "nifti":
        files = write_volumes(folder, slices, rule, max_voxels)
        exported = sum(map(len, by_volume(slices).values()))
        if exported < len(slices):
            warn(
                f"{counted(len(slices) - exported, 'slice')} left out: no volume is known for them"
            )
    else:
        files = write_label_pngs(folder, slices, rule)
        exported = len(slices)
    if overlaps := overlapping(slices, rule):
        warn(
            f"masks overlap on {counted(overlaps, 'slice')}, and the higher score won; to leave "
            "out weak masks give --score-threshold, or call fewshot merge first"
        )
    say(f"exported {counted(exported, 'slice')} to {counted(len(files), 'file')}")
    return {"files": len(files), "slices": exported, "overlapping": overlaps}
