"""Settings of the watershed baseline."""

from typing import Annotated

from pydantic import Field

from fewshot.config.base import Count, Settings


class WatershedSettings(Settings):
    """The constants of the organisers' watershed baseline."""

    median_radius: Count = 2
    """Radius of the median filter, pixels."""
    gradient_radius: Count = 5
    """Radius of the local gradient, pixels."""
    marker_gradient: Annotated[int, Field(ge=1, le=255)] = 20
    """Local gradient below which regions start to grow, grey levels."""
    compactness: Annotated[float, Field(ge=0)] = 0.0001
    """Compactness of the watershed; larger values give rounder regions, 0 the plain watershed."""
