"""Options of a command from a class of settings."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from fewshot.config.base import Settings
from fewshot.errors import InputError

Result = TypeVar("Result")


def settings_as_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """Return a command with an option for each setting, in place of parameters of settings.

    Each field of the class of settings becomes an option with its name, default, bounds and
    description. Impossible values raise `InputError` with the option's name.
    """
    hints = get_type_hints(command, include_extras=True)
    given = inspect.signature(command).parameters
    classes = {name: hints[name] for name in given if _is_settings(hints[name])}
    shown: list[inspect.Parameter] = []
    for name, parameter in given.items():
        if name in classes:
            shown += [_option(*field) for field in _choices(classes[name]).items()]
        else:
            shown.append(
                parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            )

    @wraps(command)
    def with_settings(**values: Any) -> Result:
        built = {
            name: _built(one, {field: values.pop(field) for field in _choices(one)})
            for name, one in classes.items()
        }
        return command(**values, **built)

    vars(with_settings).pop("__wrapped__", None)
    vars(with_settings)["__signature__"] = inspect.Signature(shown)
    with_settings.__annotations__ = {one.name: one.annotation for one in shown}
    return with_settings


def _is_settings(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Settings)


def _choices(settings: type[Settings]) -> dict[str, FieldInfo]:
    """Return the fields that can have several values, except nested settings."""
    return {
        name: field
        for name, field in settings.model_fields.items()
        if not _is_settings(field.annotation)
        and not (get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1)
    }


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    annotation, default = field.annotation, field.get_default(call_default_factory=True)
    metavar = None
    if get_origin(annotation) is tuple:  # of words; Typer has no lists of choices
        metavar = f"[{'|'.join(get_args(get_args(annotation)[0]))}]"
        annotation, default = list[str], list(default)
    flag = f"--{name.replace('_', '-')}"
    if default is True:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    marks = [mark for one in _annotated(annotation) for mark in one] + list(field.metadata)
    option = typer.Option(
        flag,
        help=field.description,
        metavar=metavar,
        min=next((one.ge for one in marks if hasattr(one, "ge")), None),
        max=next((one.le for one in marks if hasattr(one, "le")), None),
        show_default=default is not None,
    )
    kind = inspect.Parameter.KEYWORD_ONLY
    plain: Any = Annotated[_plain(annotation), option]
    return inspect.Parameter(name, kind, default=default, annotation=plain)


def _annotated(annotation: Any) -> list[tuple[Any, ...]]:
    """Return the metadata of an annotation such as `Annotated[int, Field(ge=1)] | None`."""
    parts = [annotation, *get_args(annotation)]
    fields = [mark for one in parts for mark in getattr(one, "__metadata__", ())]
    return [tuple(one.metadata) if isinstance(one, FieldInfo) else (one,) for one in fields]


def _plain(annotation: Any) -> Any:
    """Return an annotation without pydantic's metadata."""
    if hasattr(annotation, "__metadata__"):
        return _plain(annotation.__origin__)
    inner = [one for one in get_args(annotation) if one is not type(None)]
    if len(inner) == 1 and type(None) in get_args(annotation):
        return _plain(inner[0]) | None
    return annotation


def _built(settings: type[Settings], values: dict[str, Any]) -> Settings:
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        text = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            raise InputError(text) from error
        option = str(problem["loc"][0]).replace("_", "-")
        raise InputError(f"--{option} {problem['input']}: {text[:1].lower()}{text[1:]}") from error
