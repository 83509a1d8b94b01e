"""All leaf settings below a class of settings, with types, defaults and descriptions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fewshot.config.base import Settings, Use, use_of


@dataclass(frozen=True)
class Leaf:
    """A setting with no settings below it.

    Attributes:
        path: its key, such as `final.learning_rate`; `[]` follows the key of a list.
        owner: the class that defines the setting.
        field: pydantic's description of it.
        use: what depends on it.
    """

    path: str
    owner: type[Settings]
    field: FieldInfo
    use: Use

    @property
    def key(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


def leaves(settings: type[Settings], path: str = "", above: Use = "training") -> Iterator[Leaf]:
    """Yield every setting below a class, in the order of the fields.

    Where a model may be of several kinds, the settings of each kind are yielded.
    """
    for name, field in settings.model_fields.items():
        use = use_of(field, above)
        below = settings_below(field.annotation)
        if not below:
            yield Leaf(path + name, settings, field, use)
        listed = "[]" if _is_list(field.annotation) else ""
        for one in below:
            yield from leaves(one, f"{path}{name}{listed}.", use)


def count_leaves(settings: type[Settings]) -> int:
    """Return the number of distinct settings below a class: how many a person has to learn.

    `learning_rate` of a radiologist and of the final model count once, as do the settings of a
    semantic network wherever it can be used, and the key that selects the kind of a model or step.
    """
    found = {(_definer(leaf), leaf.key) for leaf in leaves(settings) if not _says_kind(leaf)}
    return len(found) + len({leaf.key for leaf in leaves(settings) if _says_kind(leaf)})


def settings_below(annotation: Any) -> list[type[Settings]]:
    """Return the classes of settings in an annotation, such as those in a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation] if issubclass(annotation, Settings) else []
    found = [one for part in get_args(annotation) for one in settings_below(part)]
    return list(dict.fromkeys(found))


def _is_list(annotation: Any) -> bool:
    if annotation is tuple or getattr(annotation, "__origin__", None) is tuple:
        return True
    return any(_is_list(part) for part in get_args(annotation) if part is not ...)


def _says_kind(leaf: Leaf) -> bool:
    annotation = leaf.field.annotation
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


def _definer(leaf: Leaf) -> type[BaseModel]:
    """Return the topmost class with the field, which subclasses that change a default share."""
    name = leaf.key
    owners = [one for one in leaf.owner.__mro__ if name in getattr(one, "model_fields", {})]
    return owners[-1]
