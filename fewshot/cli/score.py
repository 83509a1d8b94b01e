"""`fewshot score` and `fewshot validate`."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.options import Json, print_json
from fewshot.errors import InputError


def score(
    truth: Annotated[Path, typer.Option(help="Label CSV with the true labels.")],
    submission: Annotated[Path, typer.Option(help="Submission CSV.")],
    json_: Json = False,
) -> None:
    """Score a submission by the adjusted Rand index, over the labelled and over all pixels."""
    from fewshot.submission.submission import score_submission

    summary = score_submission(truth, submission)
    if json_:
        per_image = {
            name: {"ari_foreground": one.foreground, "ari_all": one.all_pixels}
            for name, one in summary.per_image.items()
        }
        print_json(
            {
                "ari_foreground": summary.foreground,
                "ari_all": summary.all_pixels,
                "images": len(per_image),
                "per_image": per_image,
            }
        )
        return
    print(f"adjusted Rand index, mean of {len(summary.per_image)} images")
    print(f"  foreground (pixels with a true label)  {summary.foreground:.4f}")
    print(f"  all pixels                             {summary.all_pixels:.4f}")


def validate(
    file: Annotated[Path, typer.Argument(help="A COCO .json, or a label or submission .csv[.gz].")],
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images that the file is about.")
    ] = None,
    json_: Json = False,
) -> None:
    """Check a COCO file, a label CSV or a submission; say what is wrong and where."""
    from fewshot.submission.validate import validate_submission

    if not file.name.endswith((".json", ".csv", ".csv.gz")):
        raise InputError(f"{file}: neither .json nor .csv nor .csv.gz")
    if file.suffix == ".json":
        findings, found = _validate_coco(file, images)
    else:
        findings, found = validate_submission(file, images), "label table"
    if json_:
        print_json({"file": str(file), "valid": not findings, "findings": findings})
    else:
        for finding in findings:
            print(finding)
        if not findings:
            print(f"{file}: fine ({found})")
    if findings:
        raise typer.Exit(2)


def _validate_coco(file: Path, images: Path | None) -> tuple[list[str], str]:
    from fewshot.masks.coco import read_coco
    from fewshot.pipeline.stages import check_images
    from fewshot.slices.images import name_a_few

    if not file.is_file():
        raise InputError(f"{file}: no such file")
    try:
        slices = read_coco(file, images)
        missing = [r.file_name for r in slices.records if not slices.path_of(r).is_file()]
        if missing:
            return [f"{file}: not in {slices.images}: {name_a_few(missing)}"], ""
        check_images(slices)
    except InputError as error:
        return [str(error)], ""
    masks = sum(len(slices.masks_of(record.image_id)) for record in slices.records)
    return [], f"COCO, {len(slices)} slices, {masks} masks"
