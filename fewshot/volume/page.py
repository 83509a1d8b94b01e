"""A page to rotate the surfaces and step through the slices: one self-contained file."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from fewshot.drawing.contours import data_uri
from fewshot.errors import InputError
from fewshot.files import write_text
from fewshot.slices.images import read_image
from fewshot.text import NOTICE
from fewshot.volume.interpolate import Sections
from fewshot.volume.measure import Structure, surface
from fewshot.volume.stack import Labels, LabelStack
from fewshot.volume.surface_mesh import Mesh

_READERS = ("#ffd24d", "#4dd2ff", "#ff7ac6", "#8bff5c", "#d98cff", "#ff9f1c")
_STRUCTURES = (
    *("#56b4e9", "#e69f00", "#2fbf8f", "#cc79a7", "#f0e442", "#d55e00"),
    *("#8f9bff", "#b8e986", "#ff8f8f", "#9fd8d8"),
)
_MOST_FACES = 400_000  # of all structures: about 8 MB of page
_MOST_PIXELS = 30_000_000  # of all slices: about 6 MB as JPEG
_QUALITY = 80


def write_page(
    target: Path,
    stack: LabelStack,
    structures: Sequence[Structure],
    annotators: Mapping[str, LabelStack],
    images: Path | None,
) -> None:
    """Write the page of one volume.

    `annotators` are stacks of the same slices. Slices whose image is missing, broken or of another
    size are black. The same input gives the same bytes.
    """
    here = Path(__file__).parent
    script = (here / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined
    )
    shown = _shown(stack, structures)
    pictures = [_picture(stack, index, images) for index in range(len(stack.labels))]
    readers = [("masks", shown), *((who, one.labels) for who, one in annotators.items())]
    data = {
        "size": list(stack.labels.shape[1:]),
        "pixel": list(stack.pixel),
        "start": int(np.count_nonzero(shown, axis=(1, 2)).argmax()),
        "bounds": _bounds(stack),
        "meshes": [_mesh(one, stack, len(structures)) for one in structures if one.mesh],
        "slices": [
            {
                "name": stack.records[index].file_name if stack.records else f"slice {index}",
                "position": f"{stack.positions[index]:.4g}",
                "corners": _corners(stack, index),
                "image": picture,
            }
            for index, picture in enumerate(pictures)
        ],
        "readers": [
            {"name": who, "color": _READERS[place % len(_READERS)], "outlines": _outlines(labels)}
            for place, (who, labels) in enumerate(readers)
        ],
    }
    page = environment.get_template("page.html.jinja").render(
        name=stack.name,
        slices=len(stack.labels),
        height=stack.labels.shape[1],
        width=stack.labels.shape[2],
        spacing=" × ".join(f"{one:.4g}" for one in (*stack.pixel, stack.step)),
        has_images=any(pictures),
        readers=data["readers"],
        rows=[_row(one) for one in structures],
        css=Markup((here / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_digest="sha256-" + base64.b64encode(sha256(script.encode()).digest()).decode(),
        notice=NOTICE,
        # A "<" could end the script element or start a comment in it.
        data=Markup(
            json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
        ),
    )
    write_text(target, page)


def _shown(stack: LabelStack, structures: Sequence[Structure]) -> Labels:
    shown = np.zeros_like(stack.labels)
    for one in sorted(structures, key=lambda one: -one.figures.voxels):
        shown[one.box][one.sections.masks] = one.figures.structure
    return shown


def _picture(stack: LabelStack, index: int, images: Path | None) -> str | None:
    """Return a slice's image as a JPEG data URI, smaller if there are many slices."""
    if images is None or not stack.records:
        return None
    try:
        image = read_image(images / stack.records[index].file_name)
    except InputError:
        return None
    height, width = stack.labels.shape[1:]
    if image.shape != (height, width):
        return None
    scale = min(1.0, float(np.sqrt(_MOST_PIXELS / stack.labels.size)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    packed = io.BytesIO()
    Image.fromarray(image).resize(size, Image.Resampling.BICUBIC).save(
        packed, format="JPEG", quality=_QUALITY
    )
    return data_uri("image/jpeg", packed.getvalue())


def _outlines(labels: Labels) -> list[list[list[Any]]]:
    """Return the outlines of each slice, [structure, [x0, y0, x1, y1, …]] in pixels."""
    found = []
    for section in labels:
        own: list[list[Any]] = []
        for structure in np.unique(section):
            if structure:
                mask = (section == structure).astype(np.uint8)
                contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
                own += [[int(structure), one.ravel().tolist()] for one in contours]
        found.append(own)
    return found


def _mesh(one: Structure, stack: LabelStack, structures: int) -> dict[str, Any]:
    """Return a surface with points as 16-bit fractions of its box, coarser if it is large."""
    mesh = one.mesh
    assert mesh is not None
    if len(mesh.faces) > _MOST_FACES // structures:
        mesh = _coarser(one, stack, _MOST_FACES // structures) or mesh
    points = mesh.vertices
    low, high = points.min(axis=0), points.max(axis=0)
    coded = np.round((points - low) / np.maximum(high - low, 1e-9) * 65535).astype("<u2")
    return {
        "structure": one.figures.structure,
        "color": _color(one.figures.structure),
        "low": low.tolist(),
        "high": high.tolist(),
        "points": base64.b64encode(coded.tobytes()).decode("ascii"),
        "faces": base64.b64encode(mesh.faces.astype("<u4").tobytes()).decode("ascii"),
    }


def _coarser(one: Structure, stack: LabelStack, most: int) -> Mesh | None:
    """Return the surface from every n-th slice, row and column: about `most` triangles."""
    assert one.mesh is not None
    every = math.ceil(math.sqrt(len(one.mesh.faces) / most))
    whole = one.framed
    sections = Sections(
        whole.masks[::every, ::every, ::every],
        whole.positions[::every],
        whole.step * every,
        (whole.pixel[0] * every, whole.pixel[1] * every),
    )
    if not sections.masks.any():
        return None
    return surface(sections, one.box, stack, 1)


def _bounds(stack: LabelStack) -> list[list[float]]:
    """Return the lowest and highest corner of the structures, mm."""
    places = np.argwhere(stack.labels.any(axis=0))
    slices = np.flatnonzero(stack.labels.any(axis=(1, 2)))
    if not slices.size:
        return [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    ends = [
        _world(stack, stack.positions[index], row, column)
        for index in (slices[0], slices[-1])
        for row in (places[:, 0].min(), places[:, 0].max())
        for column in (places[:, 1].min(), places[:, 1].max())
    ]
    corners = np.array(ends)
    return [corners.min(axis=0).tolist(), corners.max(axis=0).tolist()]


def _corners(stack: LabelStack, index: int) -> list[list[float]]:
    """Return the corners of a slice in mm: top left, top right, bottom left, bottom right."""
    height, width = stack.labels.shape[1:]
    return [
        [round(one, 4) for one in _world(stack, stack.positions[index], row, column).tolist()]
        for row in (-0.5, height - 0.5)
        for column in (-0.5, width - 0.5)
    ]


def _world(stack: LabelStack, position: float, row: float, column: float) -> NDArray[np.float64]:
    place = np.array([position / stack.step, row, column, 1.0])
    found: NDArray[np.float64] = (stack.affine @ place)[:3]
    return found


def _row(one: Structure) -> dict[str, Any]:
    figures = one.figures

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}" if value < 1000 else f"{value:,.0f}"

    return {
        "structure": figures.structure,
        "color": _color(figures.structure),
        "slices": figures.slices,
        "voxels_mm3": number(figures.voxels_mm3),
        "ml": f"{figures.voxels_ml:.4g}",
        "interpolated_mm3": number(figures.interpolated_mm3),
        "mesh_mm3": number(figures.mesh_mm3),
        "caliper_mm3": number(figures.caliper_mm3),
        "length": number(figures.length_mm),
        "width": number(figures.width_mm),
        "parts": figures.parts,
    }


def _color(structure: int) -> str:
    return _STRUCTURES[(structure - 1) % len(_STRUCTURES)]
