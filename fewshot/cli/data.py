"""`fewshot phantom` and `fewshot convert`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewshot.cli.options import Json, Out, Overwrite, Seed, print_json
from fewshot.errors import InputError
from fewshot.folders import filled_folder, prepare_folder

if TYPE_CHECKING:
    from fewshot.importing.slices import ImportOptions

Images = Annotated[
    Path,
    typer.Option("--images", help="File or folder: PNG, JPEG, TIFF, .npy, .npz, NIfTI or DICOM."),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="Label CSV, label images, .npy, .npz, NIfTI, COCO, or a box table; "
        "slices without labels count as unlabelled.",
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        "--groups",
        help="CSV of image, file or volume and patient, for a split by patient; by default "
        "patients are guessed from the names; none switches that off.",
    ),
]


def phantom(
    out: Out,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side of a slice, pixels.")] = 128,
    labelled: Annotated[int, typer.Option(min=4, help="Labelled training slices.")] = 24,
    unlabelled: Annotated[int, typer.Option(min=0, help="Unlabelled training slices.")] = 60,
    test: Annotated[int, typer.Option(min=1, help="Test slices.")] = 24,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Generate CT-like slices with labels, in the challenge's format."""
    from fewshot.config.tree import PhantomData
    from fewshot.importing.datasets import make_phantom, phantom_files

    settings = PhantomData(
        size=size, labelled=labelled, unlabelled=unlabelled, test=test, seed=seed
    )
    with filled_folder(out, overwrite) as folder:
        make_phantom(settings, folder)
    if json_:
        files = {key: str(path) for key, path in phantom_files(out).items()}
        print_json({"labelled": labelled, "unlabelled": unlabelled, "test": test, **files})


def convert(
    images: Images,
    out: Out,
    labels: Labels = None,
    groups: Groups = None,
    test: Annotated[
        bool, typer.Option("--test", help="Write one file, test.json, without a split.")
    ] = False,
    validation_fraction: Annotated[
        float,
        typer.Option(min=0.01, max=0.99, help="Fraction of labelled slices for validation."),
    ] = 0.2,
    check: Annotated[
        bool, typer.Option("--check", help="Also draw slices with contours, to check.png.")
    ] = False,
    window: Annotated[
        list[str] | None,
        typer.Option(
            "--window",
            help="Grey window: soft-tissue, lung, bone, brain, abdomen, …, centre/width, "
            "percentile or minmax; by default the file's own, or percentile. Given three times, "
            "each becomes a channel of a colour PNG (see preprocess.input).",
            show_default=False,
        ),
    ] = None,
    axis: Annotated[
        str,
        typer.Option("--axis", help="Axis of a NIfTI volume: axial, coronal, sagittal, 0, 1, 2."),
    ] = "",
    channel: Annotated[
        str,
        typer.Option(
            "--channel",
            help="Channel of each case, by the ending of NIfTI names (0000, flair), or all.",
        ),
    ] = "",
    spacing: Annotated[
        str | None,
        typer.Option(
            "--spacing",
            help="Treat numbered slices as a volume with this spacing in mm: between columns, "
            'between rows, and between slices ("0.05 0.05 0.08").',
            show_default=False,
        ),
    ] = None,
    structures: Annotated[
        bool,
        typer.Option("--structures", help="Label ids mean the same structure on every slice."),
    ] = False,
    label_threshold: Annotated[
        float | None,
        typer.Option(
            "--label-threshold",
            help="Labels show one structure, where they reach this value; 128 for JPEGs.",
            show_default=False,
        ),
    ] = None,
    trust_labels: Annotated[
        bool,
        typer.Option("--trust-labels", help="Accept labels that look like pictures."),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad", help="Report and skip slices and annotations that cannot be read."
        ),
    ] = False,
    keep_ids: Annotated[
        bool,
        typer.Option("--keep-ids", help="Keep DICOM's PatientID in names, instead of pseudonyms."),
    ] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Convert images and labels in any supported format to two-class COCO files.

    Says what was found. Writes train.json, validation.json and unlabelled.json, or test.json with
    --test; without labels only unlabelled.json, and boxes.json for a box table. Slices other than a
    folder of 8-bit images become PNGs in images/. Slices have at most 2**26 pixels, or what the
    environment variable FEWSHOT_MAX_PIXELS says.
    """
    from fewshot.drawing.contact_sheet import write_contact_sheet
    from fewshot.importing.convert import ConvertRequest
    from fewshot.importing.convert import convert as convert_files
    from fewshot.slices.labels.check import LabelRules
    from fewshot.slices.sequence import parse_spacing

    if not images.exists():
        raise InputError(f"--images {images}: no such file or folder")
    prepare_folder(out, overwrite)
    options = replace(
        _import_options(window or [], axis, skip_bad),
        spacing=parse_spacing(spacing),
        structures=structures,
        channel=channel,
        rules=LabelRules(label_threshold, trust_labels),
    )
    request = ConvertRequest(
        images, labels, groups, test, validation_fraction, seed, options, keep_ids
    )
    made = convert_files(request, out, overwrite, write_contact_sheet if check else None)
    if json_:
        print_json(made)


def _import_options(windows: list[str], axis: str, skip_bad: bool) -> "ImportOptions":
    from fewshot.importing.slices import ImportOptions
    from fewshot.slices.window import Window, parse_window

    parsed = [parse_window(text) for text in windows]
    if len(parsed) < 2:
        return ImportOptions(parsed[0] if parsed else None, axis, skip_bad)
    fixed = [window for window in parsed if isinstance(window, Window)]
    if len(parsed) != 3 or len(fixed) != 3:
        raise InputError(
            f"--window: {', '.join(windows)}: give one window, or three for the three channels, "
            "each by its name or as centre/width"
        )
    return ImportOptions(None, axis, skip_bad, channels=(fixed[0], fixed[1], fixed[2]))
