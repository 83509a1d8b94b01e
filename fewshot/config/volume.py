"""Settings of volumes from stacks of slices, and of their agreement."""

from typing import Annotated, Literal

from pydantic import Field

from fewshot.config.base import Count, Fraction, Settings

MeshForm = Literal["ply", "stl", "glb"]
Grid = Literal["slices", "interpolated", "none"]
Link = Literal["auto", "always", "never"]
MAX_VOXELS = 1 << 30


class StackSettings(Settings):
    """How masks of slices are stacked."""

    score_threshold: Fraction = 0.0
    """Masks with a lower score are left out."""
    link: Link = "auto"
    """Find out which masks are one structure; auto: where the file does not say."""
    max_voxels: Count = MAX_VOXELS
    """Larger stacks are refused, for a file may claim any size."""


class VolumeSettings(StackSettings):
    """How structures are followed, cleaned, measured and written."""

    join: Link = "auto"
    """Regions that lie apart and flow together are one structure; auto: as the data have it."""
    planes: Annotated[int, Field(ge=1, le=32)] | None = None
    """Planes a slice when interpolating; as many as make even voxels without."""
    keep: Literal["all", "largest"] = "all"
    """All parts of a structure, or the largest."""
    min_mm3: Annotated[float, Field(ge=0)] = 0.0
    """Parts smaller than this are left out."""
    fill_holes: bool = False
    """Fill cavities closed on all sides."""
    smooth: Annotated[float, Field(ge=0, le=100)] = 0.0
    """σ in mm of a smoothing that keeps the volume."""
    mesh: Annotated[tuple[Literal["ply", "stl", "glb", "none"], ...], Field(min_length=1)] = (
        "ply",
    )
    """Form of surfaces; may be repeated."""
    grid: Grid = "slices"
    """NIfTI grid to write."""
    page: bool = True
    """Write a page to turn and step through."""

    @property
    def meshes(self) -> tuple[MeshForm, ...]:
        """The forms of surfaces, each once; nothing where `none` is among them."""
        forms = tuple(dict.fromkeys(one for one in self.mesh if one != "none"))
        return () if "none" in self.mesh else forms


class AgreementSettings(StackSettings):
    """How a model's volumes are compared with those of annotators."""

    model_seconds: Annotated[float, Field(ge=0)] | None = None
    """Time the model took for all slices."""
    annotation_seconds: Annotated[float, Field(ge=0)] | None = None
    """Time an annotator took for all."""
