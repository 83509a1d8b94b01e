"""From a finished run or a model, and a user's slices, to files of label maps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.importing.slices import ImportOptions
from fewshot.pipeline.answer_files import Form, check_out, write_answer
from fewshot.pipeline.segmenter import Segmenter
from fewshot.progress import say
from fewshot.slices.window import parse_window
from fewshot.text import NOTICE, counted


@dataclass(frozen=True)
class Wanted:
    """How slices are read and answers written.

    Attributes:
        form: of the label maps; None goes by the name of the output.
        window: grey window as a user names it; None is the file's own.
        axis: of a NIfTI volume.
        overwrite: whether what was written before is replaced.
        device: `auto`, `cpu` or `cuda`.
    """

    form: Form | None = None
    window: str | None = None
    axis: str = ""
    overwrite: bool = False
    device: str = "auto"


def answer(trained: Path, slices: Path, out: Path, wanted: Wanted) -> dict[str, Any]:
    """Write the label maps of slices, and return what was written.

    Raises `InputError` for what is no finished run or model, slices that cannot be read, and an
    output that cannot be written, which is found before any work starts.
    """
    form = check_out(out, wanted.form, wanted.overwrite)
    window = None if wanted.window is None else parse_window(wanted.window)
    segmenter = Segmenter.load(trained, wanted.device)
    say(f"predict: {segmenter}")
    found = segmenter.predict(slices, ImportOptions(window, wanted.axis))
    files = write_answer(found, out, form, wanted.overwrite)
    regions = sum(len(one) for one in found.scores)
    what = f"{counted(regions, 'region')} on {counted(len(found), 'slice')}"
    say(f"predict: {what}, as {form} in {out}")
    say(NOTICE)
    content = {"slices": len(found), "regions": regions, "form": form, "files": files}
    return {**content, "out": str(out)}
