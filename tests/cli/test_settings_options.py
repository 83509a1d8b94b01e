"""Options of a command that come from a class of settings."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

import pytest
import typer
import typer.main
from pydantic import Field, model_validator
from typer.testing import CliRunner

from fewshot.cli.settings_options import settings_as_options
from fewshot.config.base import Count, Fraction, Settings
from fewshot.config.sam import (
    AutomaticMaskSettings,
    EncoderSettings,
    FinetuneLoopSettings,
    FinetuneSchedule,
    FinetuneSettings,
)
from fewshot.config.volume import AgreementSettings, VolumeSettings
from fewshot.errors import InputError


class Knobs(Settings):
    """One setting of every kind."""

    share: Fraction = 0.5
    """A share."""
    planes: Count | None = None
    """A number, or none."""
    rate: Annotated[float, Field(gt=0)] = 1.0
    """A bound that click cannot check."""
    how: Literal["slow", "fast"] = "slow"
    """A word."""
    forms: Annotated[tuple[Literal["ply", "stl"], ...], Field(min_length=1)] = ("ply",)
    """Words."""
    page: bool = True
    """On."""
    loud: bool = False
    """Off."""

    @model_validator(mode="after")
    def _fast_is_loud(self) -> Self:
        if self.how == "fast" and not self.loud:
            raise ValueError("--how fast: needs --loud")
        return self


@pytest.fixture
def call() -> Callable[..., Any]:
    """`call("--share", "0.2")` → the settings, and the plain option beside them."""
    app, found = typer.Typer(), []

    @app.command()
    @settings_as_options
    def command(settings: Knobs, name: Annotated[str, typer.Option(help="A name.")] = "") -> None:
        found.append((settings, name))

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, arguments, catch_exceptions=True)
        if isinstance(result.exception, InputError):
            raise result.exception
        return found[-1] if result.exit_code == 0 else result.output

    return run


def test_options_left_out_are_the_defaults(call: Callable[..., Any]) -> None:
    assert call() == (Knobs(), "")


def test_each_setting_is_an_option(call: Callable[..., Any]) -> None:
    arguments = (
        *("--share", "0.2", "--planes", "3", "--rate", "2", "--how", "fast", "--loud"),
        *("--forms", "stl", "--forms", "ply", "--no-page", "--name", "x"),
    )

    assert call(*arguments) == (
        Knobs(
            share=0.2,
            planes=3,
            rate=2,
            how="fast",
            loud=True,
            forms=("stl", "ply"),
            page=False,
        ),
        "x",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rate", "0"), "--rate 0.0: input should be greater than 0"),
        (("--forms", "obj"), "--forms obj: input should be 'ply' or 'stl'"),
        (("--how", "fast"), "--how fast: needs --loud"),
    ],
)
def test_what_only_the_settings_can_check_names_the_option(
    call: Callable[..., Any], arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert str(error.value) == message


@pytest.mark.parametrize("arguments", [("--share", "1.5"), ("--planes", "0"), ("--how", "never")])
def test_wrong_usage_is_refused_as_for_any_option(
    call: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    assert arguments[0] in call(*arguments)


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("sam embed", EncoderSettings),
        ("sam refine", EncoderSettings),
        ("sam prompt", EncoderSettings),
        ("sam auto", AutomaticMaskSettings),
        ("sam finetune", FinetuneSettings),
        ("sam finetune", FinetuneSchedule),
        ("sam finetune", FinetuneLoopSettings),
        ("volume", VolumeSettings),
        ("volume-agreement", AgreementSettings),
    ],
)
def test_commands_have_all_their_settings_and_their_defaults(
    command: str, settings: type[Settings]
) -> None:
    from fewshot.cli.app import app

    node: Any = typer.main.get_command(app)
    for word in command.split():
        node = node.commands[word]
    options = {parameter.name: parameter for parameter in node.params}
    for name, field in settings.model_fields.items():
        if name in ("kind", "weights"):  # which have one value
            continue
        assert options[name].help == field.description
        default = field.get_default()
        assert options[name].default == (list(default) if isinstance(default, tuple) else default)
