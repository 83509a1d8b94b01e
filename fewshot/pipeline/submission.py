"""The submission: merged masks as the challenge's CSV."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fewshot.run.layout import RunLayout
from fewshot.run.stages import Stage

NAME = "submit"


def stages(layout: RunLayout) -> list[Stage]:
    """Return the stage that writes the submission."""
    return [
        Stage(
            name="submit",
            folder=layout.root / "submit",
            settings={},
            inputs=layout.files([layout.merged]),
            outputs=[layout.submission],
            work=lambda: submit(layout.merged, layout.submission),
        )
    ]


def submit(merged: Path, target: Path, form: Literal["named", "plain"] = "named") -> None:
    """Write merged masks as the challenge's submission CSV."""
    from fewshot.masks.coco import open_coco
    from fewshot.submission.submission import write_submission

    stream = open_coco(merged)
    names = [record.file_name for record in stream.slices.records]
    write_submission(target, names, (masks.to_label_map() for masks in stream.masks()), form)


def command(
    merged: Annotated[Path, typer.Option(help="COCO file that merge made.")],
    out: Annotated[Path, typer.Option("--out", help="CSV file to write.")],
    form: Annotated[
        Literal["named", "plain"],
        typer.Option(help="named: ',0.png' and 'Pixel 0'; plain: ',0' and '0'."),
    ] = "named",
) -> dict[str, Any]:
    """Write merged masks as the challenge's submission CSV."""
    submit(merged, out, form)
    return {"file": str(out), "bytes": out.stat().st_size}
