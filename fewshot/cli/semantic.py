"""`fewshot semantic`: networks that separate foreground and background, pixel by pixel."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from fewshot.cli.options import (
    Device,
    Json,
    Out,
    Overwrite,
    Seed,
    SeedSetting,
    overrides_of,
    print_json,
)
from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.folders import filled_folder, prepare_folder
from fewshot.progress import say, warn

if TYPE_CHECKING:
    from fewshot.config.semantic_training import SemanticTrainingSettings
    from fewshot.semantic.comparison import FinishedModel

Data = Annotated[
    Path, typer.Option("--data", help="Folder with train.json and validation.json (see convert).")
]
OwnConfig = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Settings file (YAML) of fewshot semantic; by default built-in settings."
    ),
]
OwnSets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one setting, such as model.encoder=resnet34; may be repeated.",
    ),
]
Switch = Literal["off", "on", "both"]

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "U-Net, U-Net++, DeepLabV3, DeepLabV3+ and PAN on the same slices as the detectors: they "
        "predict foreground and boundaries per pixel, from which regions are made."
    ),
)


@app.command()
def lgg(
    images: Annotated[Path, typer.Option("--images", help="Folder of LGG cases.")],
    out: Out,
    seed: Seed = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Report and skip slices that cannot be read.")
    ] = False,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Convert brain MRI of the LGG data set to train, validation and test COCO files.

    80, 10 and 10 % of the slices, each patient in one file. The images stay in place; train on
    their three channels with --set model.channels=3.
    """
    from fewshot.config.names import TEST, TRAIN, VALIDATION
    from fewshot.importing.datasets import write_datasets
    from fewshot.semantic.lgg import read_lgg, split_lgg

    prepare_folder(out, overwrite)
    slices, bad = read_lgg(images, skip_bad)
    for line in bad:
        warn(f"passed over: {line}")
    parts = dict(zip((TRAIN, VALIDATION, TEST), split_lgg(slices, seed), strict=True))
    with filled_folder(out, overwrite) as folder:
        write_datasets(parts, folder)
    say(f"{images}: {len(slices)} slices read, {len(bad)} passed over")
    if json_:
        counts = {Path(name).stem: len(part) for name, part in parts.items()}
        print_json({**counts, "passed_over": bad})


@app.command()
def train(
    data: Data,
    out: Out,
    config: OwnConfig = None,
    set_: OwnSets = None,
    seed: SeedSetting = None,
    device: Device = None,
    json_: Json = False,
) -> None:
    """Train a network with settings of its own (docs/settings.md); resume if interrupted."""
    from fewshot.semantic import commands
    from fewshot.training.model_folder import DESCRIPTION

    settings = _settings(config, overrides_of(set_, device, seed))
    commands.train(data, settings, out)
    if json_:
        print_json(read_json(out / DESCRIPTION))


@app.command()
def predict(
    model: Annotated[Path, typer.Option(help="Model folder.")],
    out: Annotated[Path, typer.Option("--out", help="COCO file to write, with scores.")],
    data: Annotated[Path | None, typer.Option("--data", help="COCO file of slices.")] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of slices, instead of --data.")
    ] = None,
    regions: Annotated[
        Literal["components", "watershed"] | None,
        typer.Option("--regions", help="How regions are found; by default as in training."),
    ] = None,
    device: Device = "auto",
    json_: Json = False,
) -> None:
    """Predict regions with scores as COCO, for merge, submit, export and score."""
    from fewshot.importing import datasets
    from fewshot.masks.coco import read_coco
    from fewshot.semantic import commands

    if (data is None) == (images is None):
        raise InputError("semantic predict: give either --data or --images")
    slices = read_coco(data) if data is not None else datasets.read_test(cast(Path, images), None)
    masks = commands.predict(model, slices, out, regions, device or "auto")
    if json_:
        print_json({"images": len(slices), "masks": masks, "file": str(out)})


@app.command()
def compare(
    data: Data,
    out: Out,
    test: Annotated[
        Path | None,
        typer.Option(help="COCO file of labelled slices; default: test.json of --data."),
    ] = None,
    networks: Annotated[
        str, typer.Option(help="Which ones, separated by commas.")
    ] = "unet,unetplusplus,deeplabv3,deeplabv3plus,pan",
    gafl: Annotated[Switch, typer.Option(help="With a GAFL filter in front, or not.")] = "off",
    featup: Annotated[
        Switch, typer.Option(help="With features upsampled by FeatUp, or not.")
    ] = "off",
    run: Annotated[
        Path | None, typer.Option(help="Finished run whose final model is added to the table.")
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Keep the rows of an earlier comparison in --out.")
    ] = False,
    config: OwnConfig = None,
    set_: OwnSets = None,
    seed: SeedSetting = None,
    device: Device = None,
    json_: Json = False,
) -> None:
    """Train several networks in the same way and score them on the same slices.

    Writes comparison.md, .csv, .png and .json, and the models. Call it again to resume.
    """
    from fewshot.config.names import TEST
    from fewshot.semantic import commands

    settings = _settings(config, overrides_of(set_, device, seed))
    switches: dict[str, tuple[bool, ...]] = {"off": (False,), "on": (True,), "both": (False, True)}
    rows: list[dict[str, Any]] = commands.compare(
        commands.Request(
            data=data,
            test=test or data / TEST,
            networks=[name.strip() for name in networks.split(",")],
            gafl=switches[gafl],
            featup=switches[featup],
            final=None if run is None else _final_of(run),
            append=append,
        ),
        settings,
        out,
    )
    if json_:
        print_json({"rows": rows, "table": str(out / "comparison.md")})
    else:
        print((out / "comparison.md").read_text(encoding="utf-8"), end="")


def _settings(config: Path | None, overrides: list[str]) -> "SemanticTrainingSettings":
    from fewshot.config.load import load_settings_of
    from fewshot.config.semantic_training import SemanticTrainingSettings

    return load_settings_of(SemanticTrainingSettings, config, overrides)


def _final_of(run: Path) -> "FinishedModel":
    from fewshot.config.names import FINAL
    from fewshot.run.layout import RunPaths
    from fewshot.run.names import RECORD
    from fewshot.semantic.comparison import FinishedModel

    paths = RunPaths(run)
    return FinishedModel(paths.final, paths.predictions(FINAL), paths.final / RECORD)
