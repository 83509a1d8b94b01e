"""What depends on a setting: trainings, predictions, or nothing."""

from typing import Annotated, Any

import pytest

from fewshot.config.base import NO_RESULT, PREDICTION_ONLY, Settings, UsedBy
from fewshot.config.leaves import count_leaves, leaves
from fewshot.config.network import LoopSettings
from fewshot.config.sam import FinetuneLoopSettings
from fewshot.config.semantic import SemanticSettings
from fewshot.config.tree import DetectorSettings, FinalSettings, RadiologistSettings, RunSettings


class Regions(Settings):
    """Settings that are marked where they are used, but for one that has a mark of its own."""

    threshold: float = 0.5
    bins: Annotated[int, UsedBy("training")] = 8


class Item(Settings):
    """One of several."""

    name: str = "one"
    speed: Annotated[int, NO_RESULT] = 1


class Model(Settings):
    """Every way in which settings can be marked."""

    width: int = 4
    path: Annotated[str | None, PREDICTION_ONLY] = None
    workers: Annotated[int, NO_RESULT] = 0
    regions: Annotated[Regions, PREDICTION_ONLY] = Regions()
    items: tuple[Item, ...] = (Item(), Item(name="two"))


def test_a_training_depends_on_what_is_not_marked_and_a_prediction_on_that_as_well() -> None:
    items = [{"name": "one"}, {"name": "two"}]

    training, prediction = Model().identity("training"), Model().identity("prediction")

    assert training == {"width": 4, "regions": {"bins": 8}, "items": items}
    assert prediction == {
        "width": 4,
        "path": None,
        "regions": {"threshold": 0.5, "bins": 8},
        "items": items,
    }


@pytest.mark.parametrize(
    ("settings", "change", "training", "prediction"),
    [
        (DetectorSettings(), {"batch_size": 2}, True, True),
        (DetectorSettings(), {"max_masks": 7}, False, True),
        (DetectorSettings(), {"prediction_batch_size": 3}, False, True),
        (LoopSettings(), {"workers": 2}, False, False),
        (LoopSettings(), {"checkpoint_period": 9}, False, False),
        (LoopSettings(), {"evaluation_period": 9}, False, False),
        (LoopSettings(), {"clip_gradient_norm": 1.0}, True, True),
        (SemanticSettings(), {"loss": "focal"}, True, True),
        (SemanticSettings(), {"regions": {"threshold": 0.4}}, False, True),
        (SemanticSettings(), {"regions": {"min_area": 9}}, False, True),
        (RadiologistSettings(name="one"), {"iterations": 9}, True, True),
        (RadiologistSettings(name="one"), {"score_threshold": 0.6}, False, True),
        (FinalSettings(), {"score_threshold": 0.6}, False, True),
        (FinetuneLoopSettings(), {"evaluation_period": 9}, True, True),  # it keeps the best it saw
        (FinetuneLoopSettings(), {"checkpoint_period": 9}, False, False),
    ],
)
def test_settings_say_which_work_is_done_again(
    settings: Settings, change: dict[str, Any], training: bool, prediction: bool
) -> None:
    changed = type(settings).model_validate({**settings.model_dump(), **change})

    assert (changed.identity("training") != settings.identity("training")) == training
    assert (changed.identity("prediction") != settings.identity("prediction")) == prediction


def test_every_setting_is_found_with_what_depends_on_it() -> None:
    found = {leaf.path: leaf.use for leaf in leaves(Model)}

    assert found == {
        "width": "training",
        "path": "prediction",
        "workers": "nothing",
        "regions.threshold": "prediction",
        "regions.bins": "training",
        "items[].name": "training",
        "items[].speed": "nothing",
    }
    paths = {leaf.path for leaf in leaves(RunSettings)}
    assert {"seed", "final.score_threshold", "radiologists[].model.regions.threshold"} <= paths


def test_a_setting_that_stands_in_several_places_counts_once() -> None:
    class Two(Settings):
        """The same settings twice, once with another default."""

        class Other(Item):
            """As `Item`."""

            name: str = "other"

        one: Item = Item()
        more: tuple[Other, ...] = ()

    assert len(list(leaves(Two))) == 4
    assert count_leaves(Two) == 2
