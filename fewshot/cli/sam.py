"""`fewshot sam`: embed, refine, auto and prompt; the rest of the group is in `sam_models`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fewshot.cli import sam_models
from fewshot.cli.options import Json, Out, Overwrite, print_json
from fewshot.cli.sam_options import Checkpoint, Embeddings, Slices, embedder_of
from fewshot.cli.settings_options import settings_as_options
from fewshot.config.sam import AutomaticMaskSettings, EncoderSettings
from fewshot.errors import InputError
from fewshot.folders import filled_folder, prepare_folder

app = typer.Typer(
    name="sam",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help=(
        "Segment Anything: refine masks, prompt, fine-tune, and measure when it helps.\n\n"
        "A checkpoint is a file, or vit_b, vit_l, vit_h or medsam in the folder FEWSHOT_WEIGHTS. "
        "Without one, train [bold]tiny[/bold] on your own labels: "
        "fewshot sam finetune --checkpoint tiny --train all."
    ),
)

Target = Annotated[Path, typer.Option("--out", help="COCO file to write.", show_default=False)]


@app.command()
@settings_as_options
def embed(
    checkpoint: Checkpoint,
    data: Slices,
    out: Out,
    encoder: EncoderSettings,
    number: Annotated[
        Literal["float16", "float32"], typer.Option(help="Number format of the embeddings on disk.")
    ] = "float16",
    json_: Json = False,
) -> None:
    """Run the image encoder once on every slice and store the embeddings.

    Says beforehand how much disk space that takes. Continues where it stopped.
    """
    from fewshot.masks.coco import read_coco
    from fewshot.sam import commands

    slices = read_coco(data)
    embedder = embedder_of(checkpoint, out, encoder, number)
    new = commands.embed(embedder, slices)
    if json_:
        size = embedder.bytes_needed(slices)
        print_json({"slices": len(slices), "embedded": new, "bytes": size, "folder": str(out)})


@app.command()
@settings_as_options
def refine(
    checkpoint: Checkpoint,
    predictions: Annotated[
        Path, typer.Option(help="COCO file of masks to refine: predictions or soft labels.")
    ],
    truth: Annotated[Path, typer.Option(help="validation.json: labelled slices to choose on.")],
    truth_predictions: Annotated[
        Path, typer.Option(help="The same model's predictions of --truth.")
    ],
    out: Target,
    objective: Annotated[
        Literal["foreground", "all", "overlap"],
        typer.Option(
            help="What must improve: adjusted Rand of merged masks, over the foreground or all "
            "pixels, or the overlap of single masks, for soft labels."
        ),
    ] = "foreground",
    least_score: Annotated[
        float,
        typer.Option(min=0, max=1, help="Ignore predictions of --truth below this score."),
    ] = 0.0,
    embeddings: Embeddings = None,
    *,
    encoder: EncoderSettings,
    json_: Json = False,
) -> None:
    """Refine masks by prompting with them, if that improves the validation slices.

    Also writes NAME.refinement.json next to --out, with what was chosen and why.
    """
    from fewshot.sam.refining import Refinement, refine

    embedder = embedder_of(checkpoint, embeddings, encoder)
    what = Refinement(truth, [truth_predictions], objective, least_scores=[least_score])
    chosen = refine(what, embedder, {predictions: out}, out.with_suffix(".refinement.json"))
    if json_:
        print_json({**chosen, "file": str(out)})


@app.command()
@settings_as_options
def auto(
    checkpoint: Checkpoint,
    data: Slices,
    out: Out,
    settings: AutomaticMaskSettings,
    encoder: EncoderSettings,
    embeddings: Embeddings = None,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Segment slices without prompts, to regions and a submission CSV.

    Writes masks.json, submission.csv and scores.json, with scores if the slices are labelled.
    """
    from fewshot.masks.coco import read_coco
    from fewshot.sam import commands

    slices = read_coco(data)
    prepare_folder(out, overwrite)
    embedder = embedder_of(checkpoint, embeddings, encoder)
    with filled_folder(out, overwrite) as folder:
        answer = commands.find_automatic_masks(embedder, slices, settings, folder)
    if json_:
        print_json(answer)
    else:
        print(f"{answer['regions']} regions on {answer['images']} slices")
        if "ari_all" in answer:
            print(f"adjusted Rand, foreground  {answer['ari_foreground']:.4f}")
            print(f"adjusted Rand, all pixels  {answer['ari_all']:.4f}")
            print(f"average precision          {answer['average_precision']['ap']:.4f}")


@app.command()
@settings_as_options
def prompt(
    checkpoint: Checkpoint,
    out: Target,
    boxes: Annotated[
        Path | None, typer.Option(help="COCO file with boxes, or patientId,x,y,width,height CSV.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="COCO file of slices, for a CSV or --whole-slice.")
    ] = None,
    whole_slice: Annotated[
        bool, typer.Option("--whole-slice", help="Use one box around each entire slice.")
    ] = False,
    embeddings: Embeddings = None,
    *,
    encoder: EncoderSettings,
    json_: Json = False,
) -> None:
    """Turn boxes into masks."""
    from fewshot.masks.coco import read_coco
    from fewshot.sam import commands

    if (boxes is None) != whole_slice:
        raise InputError("prompt: give either --boxes or --whole-slice")
    slices = None if data is None else read_coco(data)
    corners = None
    if boxes is not None:
        slices, corners = commands.read_prompt_boxes(boxes, slices)
    if slices is None:
        raise InputError("prompt: --whole-slice needs --data, the slices to cover")
    embedder = embedder_of(checkpoint, embeddings, encoder)
    masks = commands.answer_boxes(embedder, slices, corners, out)
    if json_:
        print_json({"images": len(slices), "masks": masks, "file": str(out)})


app.command("finetune")(sam_models.finetune)
app.command("compare")(sam_models.compare)
app.command("study")(sam_models.study)
