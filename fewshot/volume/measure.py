"""Volumes of structures: by voxels, interpolated, by surface, by diameters."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewshot.volume.clean import CleanRule, clean
from fewshot.volume.interpolate import Sections, plane_positions, planes, planes_per_step
from fewshot.volume.stack import Box, LabelStack, crop, grown
from fewshot.volume.surface_mesh import Mesh, caliper, caliper_volume, field_mesh

_ROOM = 3  # pixels by which a body may be wider between two slices than on them


@dataclass(frozen=True)
class Volumetry:
    """The measurements of one structure.

    Attributes:
        volume: name of its stack.
        structure: its id.
        slices: number of slices that show it.
        voxels: number of its pixels on all slices.
        voxels_mm3: volume by voxels.
        interpolated_mm3: the same after interpolation between the slices.
        mesh_mm3: volume within its surface; None if it is too small for one.
        caliper_mm3: V = W²·L/2 of the longest diameter `length_mm` and the widest across it.
        parts: number of connected components.
        cavities: number of closed cavities.
    """

    volume: str
    structure: int
    slices: int
    voxels: int
    voxels_mm3: float
    interpolated_mm3: float
    mesh_mm3: float | None
    caliper_mm3: float | None
    length_mm: float | None
    width_mm: float | None
    parts: int
    cavities: int

    @property
    def voxels_ml(self) -> float:
        """Return the volume by voxels in ml."""
        return self.voxels_mm3 / 1000


@dataclass(frozen=True, eq=False)
class Structure:
    """A measured structure: its sections in `box` of the stack, and its surface.

    `framed` includes the adjacent empty slices, which mark the ends of the body. The vertices of
    the mesh are in mm of the volume: right, anterior, superior.
    """

    figures: Volumetry
    sections: Sections
    framed: Sections
    box: Box
    mesh: Mesh | None


def measure(
    stack: LabelStack, rule: CleanRule | None = None, per_step: int | None = None
) -> Iterator[Structure]:
    """Yield each structure of a stack, cleaned and measured, in order of id.

    `per_step` planes are interpolated per step, by default as many as make voxels about cubic.
    Structures that cleaning removes are left out.
    """
    rule = rule or CleanRule()
    planes_a_step = per_step or planes_per_step(stack.step, stack.pixel)
    for structure, tight in crop(stack.labels):
        box = _with_room(tight, stack, rule)
        cleaned = clean(stack.labels[box] == structure, stack.grid, rule)
        if cleaned.mask.any():
            positions = stack.positions[box[0]]
            sections = Sections(cleaned.mask, positions, stack.step, stack.pixel)
            thickness = stack.thickness()[box[0]]
            counted = float(sections.areas() @ thickness) * stack.grid.pixel_mm2
            if stack.even:
                counted = int(cleaned.mask.sum()) * stack.voxel_mm3
            framed = _framed(stack, sections, box)
            mesh = surface(framed, box, stack, planes_a_step)
            figures = _figures(stack, structure, framed, planes_a_step, mesh, counted)
            yield Structure(
                Volumetry(**figures, parts=cleaned.parts, cavities=cleaned.cavities),
                sections,
                framed,
                box,
                mesh,
            )


def surface(sections: Sections, box: Box, stack: LabelStack, per_step: int) -> Mesh | None:
    """Return the surface, in mm of the volume, of sections that start at a corner of a box."""
    mesh = field_mesh(sections, per_step)
    if mesh is None:
        return None
    corner = [0.0, box[1].start * stack.pixel[0], box[2].start * stack.pixel[1]]
    return Mesh(stack.to_world(mesh.vertices + corner), mesh.faces)


def _with_room(box: Box, stack: LabelStack, rule: CleanRule) -> Box:
    """Return a box with room for a structure to grow, between slices or by smoothing."""
    rooms = [math.ceil(2 * rule.smooth_mm / side) for side in (stack.step, *stack.pixel)]
    rooms = [rooms[0], rooms[1] + _ROOM, rooms[2] + _ROOM]
    return grown(box, rooms, stack.labels.shape)


def _framed(stack: LabelStack, sections: Sections, box: Box) -> Sections:
    """Return the sections with the adjacent empty slices, which mark the ends of the body."""
    start, stop = box[0].start, box[0].stop
    below, above = int(start > 0), int(stop < len(stack.positions))
    masks = np.pad(sections.masks, ((below, above), (0, 0), (0, 0)))
    positions = stack.positions[start - below : stop + above]
    return Sections(masks, positions, sections.step, sections.pixel)


def _figures(
    stack: LabelStack,
    structure: int,
    sections: Sections,
    per_step: int,
    mesh: Mesh | None,
    counted: float,
) -> dict[str, Any]:
    positions = plane_positions(sections, per_step)
    inside = sum(np.count_nonzero(plane > 0) for plane in planes(sections, positions))
    length, width = caliper(mesh) if mesh is not None else (None, None)
    areas = sections.areas()
    return {
        "volume": stack.name,
        "structure": structure,
        "slices": int(np.count_nonzero(areas)),
        "voxels": int(areas.sum()),
        "voxels_mm3": counted,
        "interpolated_mm3": int(inside) * stack.voxel_mm3 / per_step,
        "mesh_mm3": None if mesh is None else mesh.volume(),
        "caliper_mm3": caliper_volume(length, width) if length and width else None,
        "length_mm": length,
        "width_mm": width,
    }
