"""The made-up abdomen behind the phantom: its organs, its patients, and the shapes of a section.

Lengths are in body units: the body spans -1 to 1 from left to right of the image (x) and from
front to back (y). Axial positions z run from 0, the dome of the liver, to 1, the pelvis. Greys
are those of the 8-bit CT window.
"""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
Position: TypeAlias = tuple[float, float, float]

CAVITY = "cavity"

_ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)
_CIRCLE: Points = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_HARMONICS = np.arange(2, 6)
_HARMONIC_WAVES = np.concatenate(
    [np.cos(np.outer(_HARMONICS, _ANGLES)), np.sin(np.outer(_HARMONICS, _ANGLES))]
)
# Half the width of a body, in units of z.
_Z_PER_LENGTH = 0.5


@dataclass(frozen=True)
class Tissue:
    """Mean grey level, and the standard deviations of its fine and its coarse texture."""

    grey: float
    fine: float = 0.0
    coarse: float = 0.0


@dataclass(frozen=True)
class Shape:
    """A region of a section; shapes are painted in order, later over earlier.

    `outline` (2, n) is a polygon in body units. Its pixels go to the structure `owner` (`CAVITY`
    counts as one; None: they keep theirs), as far as they are `within` a structure already
    painted (`CAVITY`: within the cavity or any structure; None: anywhere).
    """

    outline: Points
    tissue: Tissue
    owner: str | None = None
    within: str | None = None


@dataclass(frozen=True)
class Core:
    """The inside of an organ (contents, marrow, hilum): its outline scaled and shifted.

    `gas` is the probability of a gas bubble at the front.
    """

    tissue: Tissue
    scale: float
    shift: float = 0.0
    gas: float = 0.0


@dataclass(frozen=True)
class Organ:
    """An organ of the average patient, or, with all its numbers varied, of a patient.

    `radii` are along the long axis, across it, and axial. `angle` in degrees turns the long axis,
    `bend` bows it. `waves` (2, 8) are the cosine and sine parts of the outline's second to fifth
    harmonics, at the organ's centre and as a slope along z.
    """

    name: str
    centre: Position
    radii: Position
    tissue: Tissue
    angle: float = 0.0
    bend: float = 0.0
    roughness: float = 0.05
    core: Core | None = None
    waves: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 8)))


@dataclass(frozen=True)
class Ball:
    """A vessel or, with a name, a tumour.

    x and y of its centre are in the unit disc of its host, or without a host in body units; z and
    the axial half `length` are in units of z, the radius in body units.
    """

    host: str | None
    centre: Position
    radius: float
    length: float
    tissue: Tissue
    waves: NDArray[np.float64]
    name: str | None = None


@dataclass(frozen=True)
class Patient:
    """What all sections of a patient share.

    `body` is the half width and half height of the body, where an image is 2 wide; `fat` and
    `wall` are thicknesses in body units. Sections lie at `first_z`, `first_z + spacing`, ...
    """

    organs: tuple[Organ, ...]
    balls: tuple[Ball, ...]
    body: tuple[float, float]
    fat: float
    wall: float
    outline: NDArray[np.float64]
    first_z: float
    spacing: float


_GAS, _SKIN, _FAT, _MUSCLE = Tissue(10), Tissue(112), Tissue(62, 3, 2), Tissue(120, 5, 4)
_BONE, _WALL, _KIDNEY = Tissue(226, 4), Tissue(138, 3), Tissue(174, 4, 3)
_CHYME, _STOOL = Tissue(108, 3, 12), Tissue(84, 4, 22)
_STOMACH, _BOWEL = Core(_CHYME, 0.84, gas=0.6), Core(_CHYME, 0.74)
_COLON, _MARROW = Core(_STOOL, 0.78, gas=0.5), Core(Tissue(204, 8, 8), 0.82)
_RIGHT_HILUM = Core(Tissue(112, 3, 4), 0.45, shift=-0.45)
_LEFT_HILUM = Core(Tissue(112, 3, 4), 0.45, shift=0.45)

# Position and grey are loosely those of a contrast-enhanced CT. Later organs cover earlier ones.
ORGANS = (
    Organ("liver", (-0.40, -0.14, 0.22), (0.57, 0.44, 0.50), Tissue(146, 4, 4), 115, -0.12),
    Organ("stomach", (0.36, -0.30, 0.22), (0.37, 0.27, 0.34), _WALL, 150, 0.10, core=_STOMACH),
    Organ("spleen", (0.65, 0.16, 0.24), (0.36, 0.18, 0.30), Tissue(160, 3, 3), 70, 0.10),
    Organ("right colon", (-0.60, 0.02, 0.90), (0.23, 0.19, 0.34), _WALL, 80, core=_COLON),
    Organ("left colon", (0.65, 0.12, 0.82), (0.20, 0.17, 0.34), _WALL, 80, core=_COLON),
    Organ("right kidney", (-0.45, 0.39, 0.62), (0.25, 0.20, 0.34), _KIDNEY, 60, core=_RIGHT_HILUM),
    Organ("left kidney", (0.47, 0.39, 0.56), (0.25, 0.20, 0.34), _KIDNEY, 120, core=_LEFT_HILUM),
    Organ("right psoas", (-0.28, 0.53, 0.95), (0.20, 0.14, 0.42), Tissue(124, 4), 70),
    Organ("left psoas", (0.28, 0.53, 0.95), (0.20, 0.14, 0.42), Tissue(124, 4), 110),
    Organ("left bowel", (0.40, -0.14, 0.88), (0.24, 0.18, 0.34), _WALL, 60, core=_BOWEL),
    Organ("right bowel", (-0.30, -0.28, 0.96), (0.24, 0.18, 0.32), _WALL, 20, core=_BOWEL),
    Organ("middle bowel", (0.06, -0.18, 0.96), (0.23, 0.17, 0.32), _WALL, 160, core=_BOWEL),
    Organ("deep bowel", (-0.20, 0.08, 0.98), (0.22, 0.16, 0.30), _WALL, 100, core=_BOWEL),
    Organ("middle colon", (0.02, -0.54, 0.72), (0.45, 0.16, 0.24), _WALL, 0, -0.08, core=_COLON),
    Organ("pancreas", (0.06, 0.04, 0.46), (0.36, 0.13, 0.18), Tissue(128, 6, 7), 165, -0.08),
    Organ("duodenum", (-0.20, 0.12, 0.58), (0.17, 0.14, 0.22), _WALL, 60, core=_BOWEL),
    Organ("gallbladder", (-0.20, -0.18, 0.46), (0.20, 0.14, 0.17), Tissue(100, 3), 110),
    Organ("vena cava", (-0.15, 0.33, 0.50), (0.13, 0.10, 2.0), Tissue(154, 3), 10),
    Organ("aorta", (0.09, 0.30, 0.50), (0.11, 0.11, 2.0), Tissue(186, 3), roughness=0.02),
    Organ("vertebra", (0.0, 0.56, 0.50), (0.20, 0.17, 3.0), _BONE, roughness=0.03, core=_MARROW),
    Organ("spinal canal", (0.0, 0.76, 0.50), (0.085, 0.07, 3.0), Tissue(112, 3), roughness=0.02),
)
# The share of patients who have an organ that not everyone has.
_PRESENCE = {
    "gallbladder": 0.85,
    "right kidney": 0.97,
    "left kidney": 0.97,
    "duodenum": 0.9,
    "left bowel": 0.9,
    "right bowel": 0.85,
    "middle bowel": 0.9,
    "deep bowel": 0.8,
    "middle colon": 0.9,
}
# Organs that may bear tumours, and the grey that a tumour adds.
_TUMOURS = {"liver": -38, "spleen": -42, "right kidney": -44, "left kidney": -44, "pancreas": 36}
_VESSELS_IN_LIVER, _VESSELS_IN_FAT, _RIBS = 8, 30, 13


def draw_patient(rng: np.random.Generator) -> Patient:
    """Return a patient who differs a little from the average in every number."""
    kept = [organ for organ in ORGANS if rng.random() < _PRESENCE.get(organ.name, 1.0)]
    common_grey = rng.normal(0, 3)
    organs = tuple(_vary(organ, common_grey, rng) for organ in kept)
    first_z = rng.uniform(-0.15, 0.92)
    balls = [_vessel(None, Tissue(166), first_z, rng) for _ in range(_VESSELS_IN_FAT)]
    for organ in organs:
        if organ.name == "liver":
            tissue = Tissue(organ.tissue.grey + 22)
            balls += [_vessel("liver", tissue, first_z, rng) for _ in range(_VESSELS_IN_LIVER)]
        if organ.name in _TUMOURS:
            count = rng.choice(4, p=(0.45, 0.35, 0.15, 0.05))
            balls += [_tumour(organ, number, first_z, rng) for number in range(count)]
    return Patient(
        organs=organs,
        balls=tuple(balls),
        body=(rng.uniform(0.98, 1.01), rng.uniform(0.80, 0.91)),
        fat=rng.uniform(0.05, 0.14),
        wall=rng.uniform(0.07, 0.10),
        outline=rng.normal(0, 0.012, 8),
        first_z=first_z,
        spacing=rng.uniform(0.025, 0.05),
    )


def section_shapes(patient: Patient, z: float) -> list[Shape]:
    """Return the shapes of the section of a patient at z, in painting order."""
    shapes = _trunk(patient, z)
    for ball in patient.balls:
        if ball.host is None:
            shapes += _ball(ball, None, z)
    for whole in patient.organs:
        organ = _cut(whole, z)
        if organ is None:
            continue
        shapes += _organ(organ)
        for ball in patient.balls:
            if ball.host == organ.name:
                shapes += _ball(ball, organ, z)
    return shapes


def _trunk(patient: Patient, z: float) -> list[Shape]:
    """Return skin, fat, muscles, ribs and the cavity."""
    round_box = np.sign(_CIRCLE) * np.abs(_CIRCLE) ** 0.87
    body = round_box * (1 + patient.outline @ _HARMONIC_WAVES)
    inner = 1 - patient.fat - patient.wall
    shapes = [
        Shape(body, _SKIN),
        Shape(0.98 * body, _FAT),
        Shape((1 - patient.fat) * body, _MUSCLE),
        Shape(inner * body * [[1.0], [0.93]] - [[0.0], [0.04]], _FAT, CAVITY),
    ]
    for side in (-1, 1):
        shapes.append(Shape(_ellipse((0.25 * side, 0.79), (0.21, 0.11), 10 * side), _MUSCLE))
    if z < 0.65:
        middle = inner + patient.wall / 2
        for angle in 2 * np.pi * (np.arange(_RIBS) + 4 * z) / _RIBS:
            centre = (middle * np.cos(angle), middle * np.sin(angle))
            shapes.append(Shape(_ellipse(centre, (0.06, 0.022), np.degrees(angle) + 90), _BONE))
    return shapes


def _organ(organ: Organ) -> list[Shape]:
    """Return the outline of a cut organ, its core, and the gas in it."""
    outline = _CIRCLE * (1 + organ.waves[0] @ _HARMONIC_WAVES)
    spine = organ.name in ("vertebra", "spinal canal")
    shapes = [Shape(_place(organ, outline), organ.tissue, organ.name, None if spine else CAVITY)]
    if organ.name == "vertebra":
        arch = _ellipse((organ.centre[0], organ.centre[1] + 0.20), (0.14, 0.13), 0)
        wings = _ellipse((organ.centre[0], organ.centre[1] + 0.16), (0.30, 0.045), 0)
        shapes += [Shape(bone, organ.tissue, organ.name) for bone in (arch, wings)]
    if organ.core is not None:
        core = _place(organ, organ.core.scale * outline + [[0.0], [organ.core.shift]])
        shapes.append(Shape(core, organ.core.tissue, None, organ.name))
        if organ.core.gas:
            front, back = core[1].min(), core[1].max()
            level = front + 0.45 * (back - front)
            bubble = np.stack([core[0], np.minimum(core[1], level)])
            shapes.append(Shape(bubble, _GAS, None, organ.name))
    return shapes


def _ball(ball: Ball, host: Organ | None, z: float) -> list[Shape]:
    """Return the section of a ball at z: one shape, or none where it does not reach."""
    depth = (z - ball.centre[2]) / ball.length
    if abs(depth) >= 0.95:
        return []
    radius = ball.radius * np.sqrt(1 - depth**2)
    centre = np.array(ball.centre[:2])[:, None]
    if host is not None:
        centre = _place(host, centre)
    outline = centre + radius * _CIRCLE * (1 + ball.waves @ _HARMONIC_WAVES)
    return [Shape(outline, ball.tissue, ball.name, CAVITY if host is None else host.name)]


def _cut(organ: Organ, z: float) -> Organ | None:
    """Return an organ with the outline that it has at z; None where it does not reach."""
    depth = (z - organ.centre[2]) / organ.radii[2]
    if abs(depth) >= 0.93:
        return None
    shrink = (1 - depth**4) ** 0.5
    along, across, axial = organ.radii
    return replace(
        organ,
        radii=(along * shrink, across * shrink, axial),
        waves=organ.waves[:1] + depth * organ.waves[1:],
    )


def _place(organ: Organ, points: Points) -> Points:
    """Map points (2, n) from the unit disc of an organ to body units."""
    along, across = organ.radii[0] * points[0], organ.radii[1] * points[1]
    across = across + organ.bend * (points[0] ** 2 - 0.5)
    return _move(np.stack([along, across]), organ.angle, organ.centre[:2])


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], angle: float) -> Points:
    return _move(_CIRCLE * np.array(radii)[:, None], angle, centre)


def _move(points: Points, angle: float, centre: tuple[float, float]) -> Points:
    """Turn points by `angle` degrees about the origin, then shift the origin to `centre`."""
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    moved: Points = np.array([[cosine, -sine], [sine, cosine]]) @ points
    moved += np.array(centre)[:, None]
    return moved


def _vary(organ: Organ, common_grey: float, rng: np.random.Generator) -> Organ:
    """Return one patient's version of an organ."""
    spread = 0.12 * min(organ.radii)
    core = organ.core
    if core is not None:
        tissue = replace(core.tissue, grey=core.tissue.grey + common_grey + rng.normal(0, 4))
        core = replace(core, tissue=tissue, gas=float(rng.random() < core.gas))
    x, y, z = np.array(organ.centre) + rng.normal(0, spread, 3)
    along, across, axial = np.array(organ.radii) * np.exp(rng.normal(0, 0.07, 3))
    waves = rng.normal(0, organ.roughness, (2, 8)) / np.tile(_HARMONICS - 1, 2)
    return replace(
        organ,
        centre=(x, y, z),
        radii=(along, across, axial),
        tissue=replace(organ.tissue, grey=organ.tissue.grey + common_grey + rng.normal(0, 3)),
        angle=organ.angle + rng.normal(0, 6),
        bend=organ.bend + rng.normal(0, 0.015),
        core=core,
        waves=waves * [[1.0], [0.6]],
    )


def _tumour(host: Organ, number: int, first_z: float, rng: np.random.Generator) -> Ball:
    """Return a tumour in an organ, near the patient's sections."""
    radius = rng.uniform(0.07, 0.11)
    return Ball(
        host=host.name,
        centre=(*_in_disc(0.7, rng), first_z + rng.uniform(-0.03, 0.13)),
        radius=radius,
        length=radius * _Z_PER_LENGTH * 1.5,
        tissue=Tissue(host.tissue.grey + _TUMOURS[host.name], 5, 5),
        waves=rng.normal(0, 0.06, 8),
        name=f"{host.name} tumour {number}",
    )


def _vessel(host: str | None, tissue: Tissue, first_z: float, rng: np.random.Generator) -> Ball:
    """Return a vessel in an organ, or without `host` in the fat, near the patient's sections."""
    return Ball(
        host=host,
        centre=(*_in_disc(0.85, rng), first_z + rng.uniform(-0.2, 0.3)),
        radius=rng.uniform(0.018, 0.034),
        length=0.15,
        tissue=tissue,
        waves=np.zeros(8),
    )


def _in_disc(radius: float, rng: np.random.Generator) -> tuple[float, float]:
    distance, angle = radius * np.sqrt(rng.random()), 2 * np.pi * rng.random()
    return float(distance * np.cos(angle)), float(distance * np.sin(angle))
