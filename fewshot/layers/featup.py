"""Sharper features: joint bilateral upsampling, trained by consistency between views.

Source: S. Fu, M. Hamilton, L. Brandt, A. Feldmann, Z. Zhang and W. T. Freeman, FeatUp: A
model-agnostic framework for features at any resolution, ICLR 2024. The upsampler starts as that of
J. Kopf, M. F. Cohen, D. Lischinski and M. Uyttendaele, Joint bilateral upsampling, SIGGRAPH 2007.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

_HIDDEN = 16
_GUIDANCE_SPREAD = 0.1  # initial deviation, in levels 0–1 of the guidance


class JointBilateralStep(nn.Module):
    """Doubles the resolution of features, guided by an image.

    A fine feature is the weighted mean of the coarse features in a window around it. Near
    neighbours with similar guidance have the largest weights; both measures are learned. The
    weights of a window sum to one, so that constant features do not change.

    Args:
        guides: channels of the guidance.
        radius: of the window, in fine pixels.
    """

    def __init__(self, guides: int, radius: int = 2) -> None:
        super().__init__()
        self.radius = radius
        # At the start only the guidance counts.
        last = _zeros(nn.Conv2d(_HIDDEN, _HIDDEN, 1))
        self.embed = nn.Sequential(nn.Conv2d(guides, _HIDDEN, 1), nn.GELU(), last)
        self.log_likeness = nn.Parameter(torch.tensor(-math.log(_GUIDANCE_SPREAD)))
        self.log_distance = nn.Parameter(torch.tensor(math.log(radius)))

    def forward(self, features: Tensor, guidance: Tensor) -> Tensor:
        """Return (n, channels, 2 h, 2 w) features of (n, channels, h, w) ones.

        `guidance` is (n, guides, 2 h, 2 w), grey levels 0–1.
        """
        coarse = functional.interpolate(features, guidance.shape[-2:], mode="nearest")
        embedded = torch.cat([guidance, self.embed(guidance)], dim=1)
        logits = self._closeness(embedded)
        weights = logits.softmax(dim=1)
        padded = _edge_padded(coarse, self.radius)
        total = torch.zeros_like(coarse)
        for place, (row, column) in enumerate(_window(self.radius)):
            shifted = _shifted(padded, row, column, coarse.shape)
            total = total + weights[:, place : place + 1] * shifted
        return total

    def _closeness(self, embedded: Tensor) -> Tensor:
        """Return the logarithms of the weights, (n, window, height, width)."""
        padded = _edge_padded(embedded, self.radius)
        likeness, distance = (2 * self.log_likeness).exp(), (-2 * self.log_distance).exp()
        rows = []
        for row, column in _window(self.radius):
            apart = (embedded - _shifted(padded, row, column, embedded.shape)).square().sum(dim=1)
            away = (row - self.radius) ** 2 + (column - self.radius) ** 2
            rows.append(-(apart * likeness + away * distance) / 2)
        return torch.stack(rows, dim=1)


class FeatureUpsampler(nn.Module):
    """A stack of joint-bilateral steps: each doubles the resolution.

    Args:
        steps: how many; 2 turn features at a quarter of the resolution into full ones.
        guides: channels of the guiding image.
        radius: of each step's window, in pixels of its result.
    """

    def __init__(self, steps: int, guides: int, radius: int = 2) -> None:
        super().__init__()
        self.steps = nn.ModuleList(JointBilateralStep(guides, radius) for _ in range(steps))

    def forward(self, features: Tensor, guidance: Tensor) -> Tensor:
        """Return (n, channels, 2^steps h, 2^steps w) features of (n, channels, h, w) ones.

        `guidance` is (n, guides, height, width) of any size, grey levels 0–1.
        """
        for step in self.steps:
            size = (2 * features.shape[-2], 2 * features.shape[-1])
            features = step(features, functional.adaptive_avg_pool2d(guidance, size))
        return features


class Downsampler(nn.Module):
    """A learned blur from fine features to the coarse grid, with weights that sum to one."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.logits = nn.Parameter(torch.zeros(factor, factor))

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, channels, h, w) means of (n, channels, factor h, factor w) features."""
        channels = features.shape[1]
        kernel = self.logits.flatten().softmax(dim=0).view(1, 1, self.factor, self.factor)
        kernel = kernel.expand(channels, 1, -1, -1).to(features.dtype)
        return functional.conv2d(features, kernel, stride=self.factor, groups=channels)


def train_upsampler(
    upsampler: FeatureUpsampler,
    encode: Callable[[Tensor], Tensor],
    batches: Iterable[Tensor],
    *,
    learning_rate: float = 0.001,
    views: int = 2,
    channels: int = 32,
    seed: int = 0,
) -> list[float]:
    """Train an upsampler of a frozen encoder's features; return the loss of each iteration.

    Fine features of an image, jittered and downsampled, must equal the encoder's features of the
    image jittered in the same way. The error at each place is weighted by a learned certainty (the
    negative log-likelihood of a normal distribution). For speed, features are projected to a few
    random directions; the weights of a window are the same for all channels.

    Args:
        upsampler: trained in place.
        encode: images (n, c, height, width), levels 0–1, to features, 2^steps times coarser.
        batches: images (n, c, height, width), one batch an iteration; sides are multiples of 32.
        learning_rate: of Adam.
        views: jittered views of each batch.
        channels: directions that features are projected to.
        seed: of views and directions.
    """
    factor = 2 ** len(upsampler.steps)
    chance = torch.Generator().manual_seed(seed)
    down, certainty, directions, optimizer = Downsampler(factor), None, None, None
    losses = []
    for images in batches:
        with torch.no_grad():
            features = encode(images).float()
        if directions is None or certainty is None or optimizer is None:
            directions = _directions(features, channels, chance)
            certainty = _zeros(nn.Conv2d(directions.shape[0], 1, 1)).to(features.device)
            down = down.to(features.device)
            trained = [*upsampler.parameters(), *down.parameters(), *certainty.parameters()]
            optimizer = torch.optim.Adam(trained, learning_rate)
        fine = upsampler(_project(features, directions), images)
        loss = torch.zeros((), device=features.device)
        for _ in range(views):
            move = _random_view(chance, factor)
            with torch.no_grad():
                seen = _project(encode(move(images)).float(), directions)
            log_scale = certainty(seen).clamp(-5, 5)
            error = (down(move(fine)) - seen).square().mean(dim=1, keepdim=True)
            loss = loss + (error * (-2 * log_scale).exp() / 2 + log_scale).mean() / views
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def _zeros(layer: nn.Conv2d) -> nn.Conv2d:
    """Return the layer with all parameters 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _directions(features: Tensor, channels: int, chance: torch.Generator) -> Tensor:
    """Return (channels, features' channels) random directions that give unit variance."""
    count = features.shape[1]
    drawn = torch.randn(min(channels, count), count, generator=chance).to(features.device)
    spread = features.std().clamp_min(1e-6)
    return drawn / (math.sqrt(count) * spread)


def _project(features: Tensor, directions: Tensor) -> Tensor:
    return torch.einsum("kc,nchw->nkhw", directions, features)


def _random_view(chance: torch.Generator, factor: int) -> Callable[[Tensor], Tensor]:
    """Return a random shift by less than two coarse pixels, with a mirroring half of the time."""
    rows, columns = torch.randint(-2 * factor + 1, 2 * factor, (2,), generator=chance).tolist()
    mirrored = bool(torch.rand((), generator=chance) < 0.5)

    def move(values: Tensor) -> Tensor:
        reach = 2 * factor
        padded = _edge_padded(values, reach)
        moved = _shifted(padded, reach + rows, reach + columns, values.shape)
        return moved.flip(-1) if mirrored else moved

    return move


def _window(radius: int) -> list[tuple[int, int]]:
    """Return the rows and columns of a window in an image padded by `radius`."""
    side = range(2 * radius + 1)
    return [(row, column) for row in side for column in side]


def _edge_padded(values: Tensor, by: int) -> Tensor:
    return functional.pad(values, (by, by, by, by), mode="replicate")


def _shifted(padded: Tensor, row: int, column: int, shape: torch.Size) -> Tensor:
    return padded[..., row : row + shape[-2], column : column + shape[-1]]
