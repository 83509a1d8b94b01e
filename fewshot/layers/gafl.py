"""A global adaptive filter: a trainable layer that weights the frequencies of an image."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_FILTER = "input_filter"


class GlobalAdaptiveFilter(nn.Module):
    """Filters images in the Fourier domain by a learned, non-negative weight per frequency.

    The amplitude spectrum is multiplied, the phase kept. Each weight is the exponential of a
    parameter that starts at 0, so that the layer starts as the identity and weights stay positive.
    Weights are stored for images of `size` pixels a side, and interpolated by frequency (cycles per
    pixel) for other sizes.

    Source: V. Shipitsin, I. Bespalov and D. V. Dylov, GAFL: Global adaptive filtering layer for
    computer vision, Computer Vision and Image Understanding 223, 2022, with an exponential in place
    of a rectifier.

    >>> images = torch.rand(1, 1, 8, 8)
    >>> torch.allclose(GlobalAdaptiveFilter(channels=1, size=8)(images), images, atol=1e-6)
    True
    """

    def __init__(self, channels: int, size: int = 128) -> None:
        super().__init__()
        if channels < 1 or size < 2:
            raise ValueError(f"a filter needs channels and a size, not {channels} and {size}")
        rows, columns = 2 * (size // 2) + 1, size // 2 + 1
        # Rows are vertical frequencies from -0.5 to 0.5, columns horizontal ones from 0 to 0.5.
        self.log_weights = nn.Parameter(torch.zeros(channels, rows, columns))

    def forward(self, images: Tensor) -> Tensor:
        """Return float (n, channels, height, width) images, filtered; computed in float32 or 64."""
        exact = images if images.dtype == torch.float64 else images.float()
        with torch.autocast(images.device.type, enabled=False):
            spectrum = torch.fft.rfft2(exact)
            weights = self.weights(images.shape[-2], images.shape[-1]).to(exact.dtype)
            filtered = torch.fft.irfft2(spectrum * weights, s=images.shape[-2:])
        result: Tensor = filtered.to(images.dtype)
        return result

    def weights(self, height: int, width: int) -> Tensor:
        """Return (channels, height, width // 2 + 1) weights, in the order of `torch.fft.rfft2`."""
        log_weights = self.log_weights
        like: dict[str, Any] = {"device": log_weights.device, "dtype": log_weights.dtype}
        vertical = 2 * torch.fft.fftfreq(height, **like)  # -1…1, as grid_sample counts
        horizontal = 4 * torch.fft.rfftfreq(width, **like) - 1
        grid = torch.stack(torch.meshgrid(horizontal, vertical, indexing="xy"), dim=-1)
        sampled = functional.grid_sample(
            log_weights[None], grid[None], "bilinear", "border", align_corners=True
        )
        return sampled[0].exp()


def attach_input_filter(module: nn.Module, layer: GlobalAdaptiveFilter) -> None:
    """Make a module filter its first argument, float (n, channels, height, width) images.

    The filter becomes part of the module: it is trained, saved and loaded with it.
    """
    setattr(module, _FILTER, layer)
    module.register_forward_pre_hook(_filter_first_argument)


def _filter_first_argument(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    # Looked up here rather than bound, so that copies of the module use their own filter.
    return (getattr(module, _FILTER)(arguments[0]), *arguments[1:])
