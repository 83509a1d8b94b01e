"""Building a network that predicts foreground logits of slices of any size."""

import difflib
from collections.abc import Callable
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewshot.config.semantic import NetworkName, SemanticSettings
from fewshot.errors import InputError
from fewshot.layers.featup import FeatureUpsampler
from fewshot.layers.gafl import GlobalAdaptiveFilter

STRIDE = 32  # sides of what the networks see are multiples of this
TIMM = "tu-"  # how segmentation-models-pytorch marks an encoder of timm
_ARCHITECTURES: dict[NetworkName, Callable[..., nn.Module]] = {
    "unet": smp.Unet,
    "unetplusplus": smp.UnetPlusPlus,
    "deeplabv3": smp.DeepLabV3,
    "deeplabv3plus": smp.DeepLabV3Plus,
    "pan": smp.PAN,
}
_UPSAMPLING_STEPS = {"deeplabv3": 3, "deeplabv3plus": 2, "pan": 2}  # from decoder to slice
_LEAST_SIDE = {"pan": 128}  # its pyramid halves features three times more
_DARK_MEAN, _DARK_SPREAD = 64.0, 64.0  # CT slices are mostly dark: grey levels become -1…3
_IMAGENET_MEAN, _IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SemanticNetwork(nn.Module):
    """A network of segmentation-models-pytorch with its input filter, padding and upsampler.

    Slices pass the filter, if any, and are normalised and padded to multiples of 32; the output is
    cropped back. `upsampler`, if any, replaces the bilinear upsampling behind the mask head.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, core: nn.Module, settings: SemanticSettings) -> None:
        super().__init__()
        self.core = core
        self.filter = (
            GlobalAdaptiveFilter(settings.channels) if settings.experimental.gafl else nn.Identity()
        )
        self.least_side = _LEAST_SIDE.get(settings.network, STRIDE)
        self.upsampler: FeatureUpsampler | None = None
        if settings.experimental.featup:
            steps = _UPSAMPLING_STEPS[settings.network]
            self.upsampler = FeatureUpsampler(steps, settings.channels)
        mean, spread = _normalisation(settings)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("spread", spread, persistent=False)

    def forward(self, slices: Tensor) -> Tensor:
        """Return logits (n, outputs, height, width) of slices (n, channels, height, width).

        Slices are float32 grey levels 0–255. Output 0 is foreground, output 1 boundaries.
        """
        height, width = slices.shape[-2:]
        padded = pad_to_stride(slices, self.least_side)
        decoded = self._decode(padded)
        head: Any = self.core.segmentation_head
        if self.upsampler is None or self.training:
            logits = head(decoded)
        else:
            # A window's weights serve all channels alike and the head is linear, so it may come
            # first: few logits are upsampled in place of many features.
            logits = self.upsampler(head[0](decoded), padded / 255)
        answer: Tensor = logits[..., :height, :width]
        return answer

    def features(self, levels: Tensor) -> Tensor:
        """Return the last features before the mask head, of padded slices with levels 0–1."""
        return self._decode(levels * 255)

    def _decode(self, padded: Tensor) -> Tensor:
        core: Any = self.core
        normalised = (self.filter(padded) - self.mean) / self.spread
        decoded: Tensor = core.decoder(core.encoder(normalised))
        return decoded


def build_network(settings: SemanticSettings, encoder_weights: Any = None) -> SemanticNetwork:
    """Return a network on the CPU with random weights, except those given for the encoder.

    `encoder_weights` are those of an encoder `tu-…`, by their names in timm. Others are loaded into
    `core.encoder` (see `semantic.weights`). Raises `InputError` for an unknown encoder, and for one
    that the architecture cannot use.
    """
    _check_encoder(settings.encoder)
    extra: dict[str, Any] = {}
    if encoder_weights is not None:
        extra = {"encoder_weights": True, "pretrained_cfg_overlay": {"state_dict": encoder_weights}}
    try:
        core = _ARCHITECTURES[settings.network](
            encoder_name=settings.encoder,
            in_channels=settings.channels,
            classes=2 if settings.boundary else 1,
            **{"encoder_weights": None, **extra},
        )
    except (
        AttributeError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as e:
        reason = " ".join(str(e).split())[:200] or type(e).__name__
        raise InputError(
            f"semantic network: {settings.network} cannot be built on {settings.encoder} "
            f"({reason}); choose another encoder"
        ) from e
    return SemanticNetwork(core, settings)


def pad_to_stride(slices: Tensor, least_side: int = STRIDE) -> Tensor:
    """Return (n, channels, height, width) slices, padded with black at the bottom and the right.

    Their sides become multiples of 32, and at least `least_side`.
    """
    height, width = (max(side + -side % STRIDE, least_side) - side for side in slices.shape[-2:])
    return functional.pad(slices, (0, width, 0, height))


def _check_encoder(name: str) -> None:
    known = [*smp.encoders.get_encoder_names(), *(TIMM + one for one in timm.list_models())]
    # A timm name may say which weights it stands for: tu-resnet18.a1_in1k.
    plain = name.split(".")[0] if name.startswith(TIMM) else name
    if plain in known:
        return
    close = difflib.get_close_matches(plain, known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else "see segmentation-models-pytorch's encoders"
    raise InputError(f"semantic network: {name}: unknown encoder; {hint}")


def _normalisation(settings: SemanticSettings) -> tuple[Tensor, Tensor]:
    """Return the mean and spread of grey levels, (channels, 1, 1) each."""
    if settings.weights == "none":
        mean = torch.full((settings.channels,), _DARK_MEAN)
        spread = torch.full((settings.channels,), _DARK_SPREAD)
    else:
        mean, spread = 255 * torch.tensor(_IMAGENET_MEAN), 255 * torch.tensor(_IMAGENET_SPREAD)
        if settings.channels == 1:
            mean, spread = mean.mean().reshape(1), spread.mean().reshape(1)
    return mean.reshape(-1, 1, 1), spread.reshape(-1, 1, 1)
