"""From detector settings to a Detectron2 configuration and model."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detectron2 import model_zoo
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model
from torch import nn

from fewshot.config.tree import DetectorSettings
from fewshot.detector.heads import use_lenient_heads
from fewshot.errors import InputError
from fewshot.layers.gafl import GlobalAdaptiveFilter, attach_input_filter
from fewshot.training.devices import resolve_device

TINY = "tiny"
_CHANNELS = 3  # of a slice, as Detectron2's models take it


def build_config(settings: DetectorSettings, device: str = "cpu") -> CfgNode:
    """Return the Detectron2 configuration of a one-class Mask R-CNN on a device.

    `settings.architecture` is `tiny` or any instance segmentation model of Detectron2's model zoo,
    such as `COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml`. Raises `InputError` for an
    unknown architecture, one that predicts no masks, and unknown or ill-typed options.
    """
    with _shown_as_input_error(f"detector.architecture: {settings.architecture}"):
        config = _tiny() if settings.architecture == TINY else _from_zoo(settings.architecture)
    if not config.MODEL.MASK_ON:
        raise InputError(
            f"detector.architecture: {settings.architecture} predicts no masks; "
            "choose one of COCO-InstanceSegmentation/"
        )
    config.MODEL.ROI_HEADS.NUM_CLASSES = 1
    config.MODEL.RETINANET.NUM_CLASSES = 1
    config.INPUT.MASK_FORMAT = "bitmask"
    config.TEST.DETECTIONS_PER_IMAGE = settings.max_masks
    # Low, because thresholds are chosen later, on stored predictions.
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.05
    with _shown_as_input_error("detector.options"):
        config.merge_from_list(list(settings.options))
    use_lenient_heads(config)
    config.MODEL.DEVICE = resolve_device(device)
    config.freeze()
    return config


def build_network(config: CfgNode, gafl: bool = False) -> nn.Module:
    """Return the untrained network of a configuration, on the configuration's device.

    With `gafl` slices pass a global adaptive filter between their normalisation and the backbone.
    """
    with _shown_as_input_error("detector"):
        network: nn.Module = build_model(config)
    if gafl:
        attach_input_filter(network.get_submodule("backbone"), GlobalAdaptiveFilter(_CHANNELS))
    return network.to(config.MODEL.DEVICE)


def zoo_architectures() -> list[str]:
    """Return the names of the model zoo's instance segmentation architectures."""
    root = Path(model_zoo.__file__).parent / "configs"
    names = (path.relative_to(root).as_posix() for path in root.glob("*/*mask_rcnn*.yaml"))
    return sorted(name for name in names if not name.startswith("quick_schedules/"))


def _from_zoo(name: str) -> CfgNode:
    known = zoo_architectures()
    wanted = name if name.endswith(".yaml") else f"{name}.yaml"
    if wanted not in known:
        close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.3)
        hint = f"did you mean {close[0]}?" if close else "see Detectron2's MODEL_ZOO.md"
        raise InputError(f"detector.architecture: {name}: unknown architecture; {hint} (or {TINY})")
    return model_zoo.get_config(wanted)


def _tiny() -> CfgNode:
    """Return a Mask R-CNN R18-FPN of 12.3 million parameters to train from scratch on a CPU."""
    config = get_cfg()
    model = config.MODEL
    model.META_ARCHITECTURE = "GeneralizedRCNN"
    model.WEIGHTS = ""
    model.MASK_ON = True
    # CT slices are mostly dark; this brings grey levels to about -1…3.
    model.PIXEL_MEAN = [64.0, 64.0, 64.0]
    model.PIXEL_STD = [64.0, 64.0, 64.0]
    model.BACKBONE.NAME = "build_resnet_fpn_backbone"
    model.BACKBONE.FREEZE_AT = 0
    model.RESNETS.DEPTH = 18
    model.RESNETS.RES2_OUT_CHANNELS = 64
    model.RESNETS.NORM = "BN"
    model.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    model.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    model.FPN.OUT_CHANNELS = 64
    model.ANCHOR_GENERATOR.SIZES = [[10], [20], [40], [80], [140]]
    model.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    model.RPN.BATCH_SIZE_PER_IMAGE = 128
    model.RPN.PRE_NMS_TOPK_TRAIN = model.RPN.PRE_NMS_TOPK_TEST = 500
    model.RPN.POST_NMS_TOPK_TRAIN = model.RPN.POST_NMS_TOPK_TEST = 250
    model.ROI_HEADS.NAME = "StandardROIHeads"
    model.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 64
    model.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    model.ROI_BOX_HEAD.NUM_FC = 1
    model.ROI_BOX_HEAD.FC_DIM = 256
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    model.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    model.ROI_MASK_HEAD.NUM_CONV = 2
    model.ROI_MASK_HEAD.CONV_DIM = 64
    model.ROI_MASK_HEAD.POOLER_RESOLUTION = 14
    return config


@contextmanager
def _shown_as_input_error(where: str) -> Iterator[None]:
    """Turn Detectron2's errors about a setting into one line with its key."""
    try:
        yield
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        first_line = str(error).strip("'\"").splitlines()[:1] or [type(error).__name__]
        raise InputError(f"{where}: refused by Detectron2: {first_line[0]}") from error
