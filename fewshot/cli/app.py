"""`fewshot`: all commands, and what every command does on an error."""

import os
import sys
from typing import Annotated

import typer

import fewshot
from fewshot.cli import baseline, data, doctor, export, run, sam, score, stages
from fewshot.errors import FewshotError
from fewshot.progress import console, say

# Threads that spin while they wait cost a shared machine several times the time of the work itself.
# OpenMP reads this when torch is first imported, which no command has done yet.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    name="fewshot",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Segment medical slices from a few labelled and many unlabelled ones.\n\n"
        "Three Mask R-CNNs (the radiologists) learn from the labelled slices, label the others, "
        "and a final model learns from all of them.\n\n"
        "Start with [bold]fewshot demo --out runs/demo[/bold]: it needs no data. "
        "Then write a settings file like those in configs/ and call [bold]fewshot run[/bold]."
    ),
)

_WHOLE = "The whole run"
_STAGES = "One stage at a time, in this order"
_SAM = "Segment Anything"
_FORMS = "Pictures, and forms for other tools"
_CHECKS = "Scores and checks"
_INTERRUPTED = 130

app.command("demo", rich_help_panel=_WHOLE)(run.demo)
app.command("run", rich_help_panel=_WHOLE)(run.run)
app.command("phantom", rich_help_panel=_STAGES)(data.phantom)
app.command("convert", rich_help_panel=_STAGES)(data.convert)
app.command("train-radiologists", rich_help_panel=_STAGES)(stages.train_radiologists)
app.command("soft-label", rich_help_panel=_STAGES)(stages.soft_label)
app.command("train-final", rich_help_panel=_STAGES)(stages.train_final)
app.command("predict", rich_help_panel=_STAGES)(stages.predict)
app.command("merge", rich_help_panel=_STAGES)(stages.merge)
app.command("submit", rich_help_panel=_STAGES)(stages.submit)
app.command("baseline", rich_help_panel=_STAGES)(baseline.baseline)
app.add_typer(sam.app, rich_help_panel=_SAM)
app.command("look", rich_help_panel=_FORMS)(export.look)
app.command("export", rich_help_panel=_FORMS)(export.export)
app.command("score", rich_help_panel=_CHECKS)(score.score)
app.command("agree", rich_help_panel=_CHECKS)(score.agree)
app.command("validate", rich_help_panel=_CHECKS)(score.validate)
app.command("doctor", rich_help_panel=_CHECKS)(doctor.doctor)


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(f"fewshot {fewshot.__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; errors are one line, exit 1 for failed work and 2 for wrong input."""
    try:
        app()
    except FewshotError as error:
        for line in str(error).splitlines():
            console.print(f"error: {line}", style="bold red", markup=False)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        # Typer turns the keyboard's interrupt into this code, and says nothing.
        if stop.code == _INTERRUPTED:
            say("stopped; call fewshot run again with --resume to go on")
        raise
    except BrokenPipeError:
        # The reader of standard output went away, as `fewshot score | head -1` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
