"""Training samples: a fixed sequence, whole passes, and the form Detectron2 takes."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from fewshot.config.preprocessing import PreprocessSettings
from fewshot.config.tree import AugmentationSettings, FinalAugmentationSettings, ViewSettings
from fewshot.detector.data import (
    TrainingSamples,
    prediction_sample,
)
from fewshot.masks.coco import SliceSet
from fewshot.preprocess.compose import preprocess
from fewshot.slices.images import read_image
from fewshot.training.batches import batches_of
from fewshot.training.sampling import TrainingSource, source_at

STILL = AugmentationSettings(
    flip=False, rotation=0, scale=0, shift=0, contrast=0, brightness=0, noise=0
)


def test_every_slice_is_drawn_once_a_pass_and_sources_by_their_shares(miniature: SliceSet) -> None:
    few, rest = miniature.subset([0, 5]), miniature.subset([1, 2, 3, 4])
    sources = [TrainingSource(few, 0.6), TrainingSource(rest, 0.4)]
    samples = TrainingSamples(sources, STILL, seed=1)
    drawn = Counter(samples[position]["image_id"] for position in range(20))
    # Slice 5 has no masks and takes part like every other.
    assert drawn == {0: 6, 5: 6, 1: 2, 2: 2, 3: 2, 4: 2}


@pytest.mark.parametrize("shares", [[1.0], [0.5, 0.5], [3, 1], [0.2, 0.3, 0.5], [0.37, 0.63]])
def test_every_stretch_is_mixed_by_shares_and_no_place_is_left_out(shares: list[float]) -> None:
    turns = [source_at(position, shares) for position in range(400)]
    for number, share in enumerate(shares):
        places = [place for owner, place in turns if owner == number]
        assert places == list(range(len(places)))
        wanted = share / sum(shares)
        for start in range(0, 400, 40):
            drawn = sum(owner == number for owner, _ in turns[start : start + 40])
            assert abs(drawn - 40 * wanted) <= 2


def test_a_source_without_slices_has_no_turn(miniature: SliceSet) -> None:
    sources = [TrainingSource(miniature.subset([])), TrainingSource(miniature.subset([1]))]
    samples = TrainingSamples(sources, STILL, seed=1)
    assert {samples[position]["image_id"] for position in range(5)} == {1}


def test_uncertain_masks_are_marked_and_weighed_ones_carry_their_score(miniature: SliceSet) -> None:
    masks = miniature.masks_of(0)
    scores = np.linspace(0.5, 0.9, len(masks), dtype=np.float32)
    soft = replace(masks, scores=scores)
    labels = miniature.subset([0]).with_masks([soft.select(np.arange(len(masks)) > 0)])
    unsure = miniature.subset([0]).with_masks([soft.select([0])])
    source = TrainingSource(labels, uncertain=unsure, score_weighted=True)
    instances = TrainingSamples([source], STILL, seed=0)[0]["instances"]
    assert instances.gt_certain.tolist() == [True] * (len(masks) - 1) + [False]
    np.testing.assert_array_equal(instances.gt_weight.numpy()[:-1], scores[1:])
    order = [*range(1, len(masks)), 0]
    np.testing.assert_array_equal(instances.gt_masks.tensor.numpy(), masks.decode()[order])


def test_pasted_structures_come_from_labelled_slices(miniature: SliceSet) -> None:
    always = FinalAugmentationSettings(**STILL.model_dump(), copy_paste=1.0)
    sources = [
        TrainingSource(miniature.subset([0]), 0.5),
        TrainingSource(miniature.subset([5]), 0.5),
    ]
    samples = TrainingSamples(sources, always, seed=0)
    plain = TrainingSamples(sources, STILL, seed=0)
    blank = [place for place in range(40) if plain[place]["image_id"] == 5]
    pasted = [place for place in blank if len(samples[place]["instances"])]
    assert pasted
    truth = miniature.masks_of(0).decode()
    donor = next(plain[place]["image"][0].numpy() for place in range(40) if place not in blank)
    for place in pasted:
        for mask in samples[place]["instances"].gt_masks.tensor.numpy():
            assert any(np.array_equal(mask, one) for one in truth)
            changed = samples[place]["image"][0].numpy()[mask]
            np.testing.assert_array_equal(changed, donor[mask])


def test_the_order_differs_between_passes_and_seeds(miniature: SliceSet) -> None:
    def order(seed: int, turn: int) -> list[int]:
        samples = TrainingSamples([TrainingSource(miniature)], STILL, seed)
        return [samples[turn * 6 + index]["image_id"] for index in range(6)]

    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert order(0, 1) == order(0, 1)


def test_masks_boxes_and_image_belong_together(miniature: SliceSet) -> None:
    sample = TrainingSamples([TrainingSource(miniature.subset([2]))], STILL, seed=0)[0]
    truth = miniature.masks_of(2)
    np.testing.assert_array_equal(sample["instances"].gt_masks.tensor.numpy(), truth.decode())
    np.testing.assert_array_equal(sample["instances"].gt_boxes.tensor.numpy(), truth.boxes)
    assert sample["image"].shape == (3, 64, 64)
    assert sample["image"].dtype == torch.float32


def test_a_slice_without_masks_gives_empty_instances(miniature: SliceSet) -> None:
    sample = TrainingSamples([TrainingSource(miniature.subset([5]))], STILL, seed=0)[0]
    assert len(sample["instances"]) == 0
    assert sample["instances"].gt_masks.tensor.shape == (0, 64, 64)


# torch counts the processors that this process may use.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_do_not_depend_on_workers_or_on_where_they_start(
    miniature: SliceSet, workers: int
) -> None:
    samples = TrainingSamples([TrainingSource(miniature)], AugmentationSettings(), seed=3)
    whole = list(batches_of(samples, list, 2, 0, 4, workers=0))
    tail = list(batches_of(samples, list, 2, 2, 4, workers=workers))
    assert len(tail) == 2
    for batch, expected in zip(tail, whole[2:], strict=True):
        for one, other in zip(batch, expected, strict=True):
            assert one["image_id"] == other["image_id"]
            assert torch.equal(one["image"], other["image"])


def test_slices_are_resized_for_the_detector_but_answered_in_their_own_size(
    miniature: SliceSet,
) -> None:
    sample = prediction_sample(miniature, miniature.records[0], input_size=96)
    assert sample["image"].shape == (3, 96, 96)
    assert (sample["height"], sample["width"]) == (64, 64)


def test_nothing_to_train_on_is_refused(miniature: SliceSet) -> None:
    with pytest.raises(ValueError, match="no slices"):
        TrainingSamples([TrainingSource(miniature.subset([]))], STILL, seed=0)


EDGES = PreprocessSettings.model_validate(
    {"steps": ["clahe"], "channels": [[], ["sobel"], ["log"]]}
)


def test_preprocessed_slices_are_the_same_in_training_and_prediction(miniature: SliceSet) -> None:
    one = miniature.subset([2])
    record = one.records[0]
    expected = preprocess(read_image(one.path_of(record)), EDGES)
    trained = TrainingSamples([TrainingSource(one)], STILL, seed=0, preprocess=EDGES)[0]
    predicted = prediction_sample(one, record, None, preprocess=EDGES)
    for sample in (trained, predicted):
        np.testing.assert_array_equal(sample["image"].numpy(), np.moveaxis(expected, 2, 0))
    assert (trained["height"], trained["width"]) == (64, 64)
    np.testing.assert_array_equal(
        trained["instances"].gt_masks.tensor.numpy(), one.masks_of(2).decode()
    )


def test_channels_are_moved_alike_and_resized(miniature: SliceSet) -> None:
    wild = FinalAugmentationSettings(
        elastic=0.1, gamma=0.3, blur=1, cutout=0.3, copy_paste=1, noise=0, flip=True
    )
    same = PreprocessSettings.model_validate({"channels": [["median"], ["median"], ["median"]]})
    sources = [TrainingSource(miniature)]
    channels = TrainingSamples(sources, wild, 4, 96, same)
    grey = TrainingSamples(sources, wild, 4, 96, PreprocessSettings.model_validate(["median"]))
    for place in range(6):
        one, other = channels[place], grey[place]
        assert one["image"].shape == (3, 96, 96)
        assert torch.allclose(one["image"], other["image"], atol=0.01)
        assert torch.equal(one["instances"].gt_boxes.tensor, other["instances"].gt_boxes.tensor)
    view = ViewSettings(scale=1.5, flip=True)
    looked = prediction_sample(miniature, miniature.records[0], 96, view, EDGES)
    assert looked["image"].shape == (3, 144, 144)
    straight = prediction_sample(miniature, miniature.records[0], 144, None, EDGES)
    assert torch.equal(looked["image"], straight["image"].flip(2))
