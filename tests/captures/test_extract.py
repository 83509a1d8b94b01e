"""Outlines drawn over slices become the regions that were drawn."""

import numpy as np
import pytest

from fewshot.captures.colour import COLOURS, find_line, parse_colour
from fewshot.captures.extract import ExtractRequest, extract_one
from fewshot.captures.frame import Frame, find_frame
from fewshot.captures.regions import Regions, enclosed_regions
from fewshot.errors import InputError
from tests.captures.drawing import (
    Rgb,
    blob,
    compressed,
    filled,
    iou,
    on_screen,
    outlined,
    slice_of_phantom,
)

SIZE = 256


def regions_of(picture: Rgb, colour: str = "blue") -> Regions:
    return enclosed_regions(find_line(picture, COLOURS[colour]), SIZE / 4, 64)


@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_mask_is_the_region_that_was_drawn(quality: int, width: int) -> None:
    for seed, colour in enumerate([(0, 0, 255), (0, 128, 255), (40, 90, 250)]):
        points = blob((128, 120), 55 + 15 * seed, seed)
        picture = outlined(slice_of_phantom(SIZE, seed), [points], width, colour)
        found = regions_of(compressed(picture, quality))
        assert found.labels.max() == 1
        assert iou(found.labels == 1, filled(points, (SIZE, SIZE))) >= 0.97


@pytest.mark.parametrize("missing", [6, 20, 30])
def test_gaps_are_closed(missing: int) -> None:
    points = blob((128, 128), 70, 1)
    picture = outlined(slice_of_phantom(SIZE), [points[missing:]], 2, closed=False)
    found = regions_of(compressed(picture, 80))
    assert found.labels.max() == 1
    assert len(found.closed) == 1
    assert iou(found.labels == 1, filled(points, (SIZE, SIZE))) >= 0.93


def test_a_dashed_outline_is_closed_everywhere() -> None:
    points = blob((128, 128), 80, 2)
    pieces = [points[start : start + 24] for start in range(0, 240, 30)]
    picture = outlined(slice_of_phantom(SIZE), pieces, 2, closed=False)
    found = regions_of(picture)
    assert found.labels.max() == 1
    assert len(found.closed) == 8
    assert iou(found.labels == 1, filled(points, (SIZE, SIZE))) >= 0.97


def test_a_line_that_encloses_nothing_is_no_region_and_said_to_be_open() -> None:
    points = blob((128, 128), 80, 2)[:60]
    found = regions_of(outlined(slice_of_phantom(SIZE), [points], 2, closed=False))
    assert found.labels.max() == 0
    assert found.open_ends == 2


def test_several_outlines_are_several_regions_largest_first() -> None:
    outlines = [blob((70, 70), 30, 1), blob((170, 160), 50, 2)]
    found = regions_of(compressed(outlined(slice_of_phantom(SIZE), outlines, 2), 75))
    assert found.labels.max() == 2
    for name, points in ((2, outlines[0]), (1, outlines[1])):
        assert iou(found.labels == name, filled(points, (SIZE, SIZE))) >= 0.96


def test_outlines_that_touch_stay_apart() -> None:
    left = np.array([[60.0, 80], [128, 80], [128, 180], [60, 180]])
    right = left + np.array([68.0, 0])
    found = regions_of(outlined(slice_of_phantom(SIZE), [left, right], 3))
    assert found.labels.max() == 2
    for points in (left, right):
        mask = filled(points, (SIZE, SIZE))
        name = np.bincount(found.labels[mask]).argmax()
        assert iou(found.labels == name, mask) >= 0.97


def test_an_outline_that_leaves_the_picture_is_closed_by_its_edge() -> None:
    points = blob((10, 128), 60, 4)
    found = regions_of(outlined(slice_of_phantom(SIZE), [points], 2))
    assert found.labels.max() == 1
    assert iou(found.labels == 1, filled(points, (SIZE, SIZE))) >= 0.95


def test_letters_in_the_colour_are_no_regions() -> None:
    import cv2

    picture = outlined(slice_of_phantom(SIZE), [blob((128, 140), 50, 0)], 2)
    cv2.putText(picture, "area 80", (4, 20), 0, 0.5, (0, 0, 255), 1, 16)
    assert regions_of(picture).labels.max() == 1


@pytest.mark.parametrize(
    ("colour", "drawn"),
    [("red", (255, 0, 0)), ("green", (0, 255, 0)), ("yellow", (255, 255, 0))],
)
def test_other_colours_are_found_and_no_others(colour: str, drawn: tuple[int, int, int]) -> None:
    points = blob((128, 128), 60, 3)
    picture = compressed(outlined(slice_of_phantom(SIZE), [points], 2, drawn), 75)
    found = regions_of(picture, colour)
    assert iou(found.labels == 1, filled(points, (SIZE, SIZE))) >= 0.97
    assert regions_of(picture, "magenta").labels.max() == 0


@pytest.mark.parametrize("quality", [None, 70])
def test_the_frame_is_found_among_panels(quality: int | None) -> None:
    screens = [
        on_screen(outlined(slice_of_phantom(SIZE, seed), [blob((128, 128), 60, seed)], 2), 40, 90)
        for seed in range(4)
    ]
    if quality is not None:
        screens = [compressed(one, quality) for one in screens]
    for some in (screens, screens[:1]):
        found = find_frame(some)
        true = (40, 90, 40 + SIZE, 90 + SIZE)
        edges = (found.top, found.left, found.bottom, found.right)
        # The phantom's corners are black and hold nothing to be found.
        assert np.abs(np.subtract(edges, true)).max() <= 26
        inside = found.top <= 60 <= 276 <= found.bottom
        assert inside


def test_a_slice_alone_is_not_cropped() -> None:
    picture = outlined(slice_of_phantom(SIZE), [blob((128, 128), 60, 0)], 2)
    assert find_frame([picture]) == Frame(0, 0, SIZE, SIZE)


def test_image_and_mask_are_resized_together_and_the_line_is_painted_over() -> None:
    grey = slice_of_phantom(SIZE)
    points = blob((128, 120), 60, 5)
    image, labels, note = extract_one(
        outlined(grey, [points], 3),
        None,
        ExtractRequest(captures=None, size=128),  # type: ignore[arg-type]
    )
    assert image.shape == labels.shape == (128, 128)
    assert note["scale"] == [0.5, 0.5]
    assert iou(labels == 1, filled(points / 2 - 0.25, (128, 128))) >= 0.96
    clean = grey.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.abs(image.astype(float) - clean).mean() < 3


@pytest.mark.parametrize("text", ["purple", "1-2", "0-300,0-255,0-255", "0-90,200-100,0-255"])
def test_a_colour_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--colour"):
        parse_colour(text)


def test_ranges_are_colours_too() -> None:
    assert parse_colour("20-128,100-255,100-255") == COLOURS["blue"]
    assert parse_colour("172-8, 100-255, 100-255") == COLOURS["red"]
