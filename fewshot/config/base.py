"""What all settings share: strict, immutable models that say what depends on each value."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

Metric = Literal["foreground", "all"]
Auto = Literal["auto"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Score = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
Part = Literal["training", "prediction"]
Use = Literal["training", "prediction", "nothing"]


@dataclass(frozen=True)
class UsedBy:
    """Marks, in a field's `Annotated`, what depends on a setting; by default training.

    - `training`: the weights, and thus everything made with them.
    - `prediction`: a trained model's predictions and validation scores, but not its weights.
    - `nothing`: no result, such as of logging and the number of processes.
    """

    use: Use


PREDICTION_ONLY = UsedBy("prediction")
NO_RESULT = UsedBy("nothing")


class Settings(BaseModel):
    """Base of all settings: strict about names and values, and immutable."""

    # The string below a field is its description: in docs/settings.md and in the help of options.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    def identity(self, part: Part) -> dict[str, Any]:
        """Return the settings that a part of the work depends on, as plain JSON values.

        The identity for `prediction` adds the settings that only prediction uses: where only this
        one differs, the model keeps its weights and needs new predictions, a new description and
        new validation scores. A mark `UsedBy` applies to all settings below its field that have no
        mark of their own.

        >>> class Demo(Settings):
        ...     width: int = 4
        ...     threshold: Annotated[float, PREDICTION_ONLY] = 0.5
        ...     workers: Annotated[int, NO_RESULT] = 0
        >>> Demo().identity("training")
        {'width': 4}
        >>> Demo().identity("prediction")
        {'width': 4, 'threshold': 0.5}
        """
        uses = {"training"} if part == "training" else {"training", "prediction"}
        return _kept(self, uses, "training")

    @field_validator("*", mode="before")
    @classmethod
    def _switches_are_no_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and bool not in (field.annotation, *get_args(field.annotation)):
            raise ValueError("cannot be true or false")
        return value


def use_of(field: FieldInfo, above: Use = "training") -> Use:
    """Return what depends on a field; `above` is the mark of the settings it belongs to."""
    marks = [one.use for one in field.metadata if isinstance(one, UsedBy)]
    return marks[-1] if marks else above


def _kept(settings: Settings, uses: set[str], above: Use) -> dict[str, Any]:
    plain = settings.model_dump(mode="json")
    kept: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        value, use = getattr(settings, name), use_of(field, above)
        if isinstance(value, Settings):
            below = _kept(value, uses, use)
            if below or not type(value).model_fields:
                kept[name] = below
        elif isinstance(value, tuple) and any(isinstance(one, Settings) for one in value):
            kept[name] = [_kept(one, uses, use) for one in value]
        elif use in uses:
            kept[name] = plain[name]
    return kept
