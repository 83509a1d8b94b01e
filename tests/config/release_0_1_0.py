"""All keys that a settings file of release 0.1.0 could have, and the files that came with it."""

from collections.abc import Iterator

_MODEL = (
    "weights batch_size weight_decay clip_gradient_norm ema mixed_precision device workers "
    "evaluation_period checkpoint_period prediction_batch_size kind optimizer gafl"
)
_DETECTOR = (
    f"{_MODEL} architecture options input_size max_masks recovery.retries recovery.rate_factor"
)
_SEMANTIC = (
    f"{_MODEL} network encoder channels boundary loss featup.iterations featup.learning_rate "
    "featup.radius featup.channels featup.views consistency.weight consistency.sure "
    "consistency.burn_in regions.method regions.threshold regions.boundary_threshold "
    "regions.opening regions.min_area augmentation.crop augmentation.horizontal_flip "
    "augmentation.vertical_flip augmentation.quarter_turn augmentation.affine "
    "augmentation.rotation augmentation.scale augmentation.shift augmentation.clahe "
    "augmentation.clahe_clip augmentation.brightness_contrast augmentation.brightness "
    "augmentation.contrast augmentation.gamma augmentation.gamma_limit"
)
_AUGMENTATION = (
    "flip rotation scale shift contrast brightness noise elastic gamma blur cutout copy_paste"
)
# Keys below each of these; those of preprocessing's steps are what they were.
_KEYS = {
    "": "control seed",
    "data": (
        "phantom.size phantom.labelled phantom.unlabelled phantom.test phantom.seed train_images "
        "train_labels test_images test_labels groups test_groups labelled validation_fraction"
    ),
    "detector": _DETECTOR,
    "augmentation": _AUGMENTATION,
    "radiologists.0": "name learning_rate iterations score_threshold",
    "radiologists.0.model": f"{_DETECTOR} {_SEMANTIC}",
    "soft_labels": (
        "assignment vote_threshold outlines thresholds uncertain quota views.0.scale views.0.flip "
        "weighed teacher.renew teacher.burn_in teacher.score_threshold teacher.uncertain "
        "teacher.patience labelled_share runaway_ratio"
    ),
    "final": "learning_rate iterations score_threshold warm_start",
    "final.augmentation": _AUGMENTATION,
    "final.model": f"{_DETECTOR} {_SEMANTIC}",
    "prediction": "views.0.scale views.0.flip together outlines",
    "merge": "background metric min_area",
    "baseline": "median_radius gradient_radius marker_gradient compactness",
    "semantic": "learning_rate iterations",
    "semantic.model": _SEMANTIC,
    "live": "tensorboard images mlflow",
    "sam": "refine checkpoint batch_size",
}


def old_keys() -> Iterator[tuple[int | str, ...]]:
    """Yield every key as a path; positions in lists are 0."""
    for above, keys in _KEYS.items():
        for key in dict.fromkeys(keys.split()):
            parts = f"{above}.{key}".strip(".").split(".")
            yield tuple(int(part) if part.isdigit() else part for part in parts)


# The configurations that came with it, on a phantom.
FILES = {
    "demo": """
data: {phantom: {size: 128}}
detector:
  architecture: tiny
  weights: none
  evaluation_period: 100
radiologists:
  - {name: rough, learning_rate: 0.002, iterations: 100, score_threshold: 0.7}
  - {name: steady, learning_rate: 0.001, iterations: 130, score_threshold: 0.7}
  - {name: fine, learning_rate: 0.0007, iterations: 160, score_threshold: 0.7}
final: {learning_rate: 0.001, iterations: 200, score_threshold: auto}
merge: {background: auto, metric: all, min_area: auto}
seed: 0
""",
    "challenge_r50": """
data: {phantom: {size: 128}}
detector:
  architecture: COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml
  weights: auto
  batch_size: 4
  workers: 4
  evaluation_period: 500
  checkpoint_period: 500
radiologists:
  - {name: rough, learning_rate: 0.005, iterations: 2000, score_threshold: 0.65}
  - {name: steady, learning_rate: 0.0025, iterations: 3000, score_threshold: 0.65}
  - {name: fine, learning_rate: 0.00125, iterations: 4000, score_threshold: 0.65}
final: {learning_rate: 0.0025, iterations: 3500, score_threshold: 0.63}
merge: {background: auto, metric: foreground, min_area: auto}
seed: 0
""",
    "challenge_x101": """
data: {phantom: {size: 128}}
detector:
  architecture: COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x.yaml
  weights: auto
  batch_size: 4
  workers: 4
  evaluation_period: 500
  checkpoint_period: 500
radiologists:
  - {name: rough, learning_rate: 0.005, iterations: 1000, score_threshold: 0.65}
  - {name: steady, learning_rate: 0.0025, iterations: 1500, score_threshold: 0.65}
  - {name: fine, learning_rate: 0.00125, iterations: 2000, score_threshold: 0.65}
final: {learning_rate: 0.0025, iterations: 2500, score_threshold: 0.63}
merge: {background: auto, metric: foreground, min_area: auto}
seed: 0
""",
    "headneck_cpu": """
data: {phantom: {size: 128}}
detector:
  architecture: tiny
  weights: none
  ema: 0.995
radiologists:
  - {name: rough, learning_rate: 0.002, iterations: 500, score_threshold: 0.6}
  - name: net
    learning_rate: 0.002
    iterations: 2000
    score_threshold: 0.6
    model:
      kind: semantic
      network: unet
      encoder: resnet18
      batch_size: 2
      ema: 0.99
      consistency: {weight: 1.0}
      regions: {threshold: 0.4}
soft_labels:
  assignment: vote
  outlines: net
  views: [{}, {flip: true}]
  uncertain: 0.2
final: {learning_rate: 0.001, iterations: 2400, score_threshold: auto, warm_start: net}
prediction: {outlines: net}
merge: {background: auto, metric: all, min_area: auto}
seed: 0
""",
    "headneck_semantic": """
data: {phantom: {size: 128}}
detector:
  architecture: tiny
  weights: none
  evaluation_period: 0
radiologists:
  - {name: rough, learning_rate: 0.002, iterations: 120, score_threshold: 0.6}
  - name: net
    learning_rate: 0.002
    iterations: 200
    score_threshold: 0.6
    model: {kind: semantic, network: unet, encoder: tu-mobilenetv3_small_100}
final: {learning_rate: 0.001, iterations: 250, score_threshold: auto}
merge: {background: auto, metric: all, min_area: auto}
seed: 0
""",
}
