"""Mascots composited onto photographs that ship inside scikit-image and scikit-learn.

`compose` makes one image with its labels from a Recipe and a random generator. The photographs are
read from the installed packages' folders; sources and licences are listed in data/README.md.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from data.mascots import MASCOTS, random_light, random_rotation, render

import cv2
import numpy as np
from PIL import Image

VISIBLE_ALPHA = 0.5  # a pixel belongs to the object that gives at least half of its light
VISIBLE_SHARE = 0.4  # a new object that leaves an earlier one less of its pixels goes elsewhere
PLACEMENT_TRIES = 20
SIDE_RANGE = (0.10, 0.65)  # object's longer side, as a fraction of the image's shorter side
CROP_RANGE = (0.35, 1.0)  # side of the photograph's crop, as a fraction of the largest that fits
BACKGROUND_GAIN, TINT, OBJECT_GAIN = (0.55, 1.15), 0.15, (0.75, 1.0)
BLUR_SIGMA = (0.0, 0.9)  # pixels

# Split by photograph: no background of the held-out split is ever seen in training.
PHOTOGRAPHS = {
    "train": (
        ("skimage", "data/astronaut.png"),
        ("skimage", "data/brick.png"),
        ("skimage", "data/camera.png"),
        ("skimage", "data/coins.png"),
        ("skimage", "data/grass.png"),
        ("skimage", "data/hubble_deep_field.jpg"),
        ("skimage", "data/ihc.png"),
        ("skimage", "data/retina.jpg"),
        ("sklearn", "datasets/images/china.jpg"),
        ("sklearn", "datasets/images/flower.jpg"),
    ),
    "val": (
        ("skimage", "data/chelsea.png"),
        ("skimage", "data/coffee.png"),
        ("skimage", "data/gravel.png"),
        ("skimage", "data/rocket.jpg"),
    ),
}


@dataclass(frozen=True)
class Recipe:
    """What an image holds: class names, shares of images with 0, 1, 2 ... objects, its size."""

    class_names: tuple
    count_shares: tuple
    size_px: tuple = (256, 256)  # width, height


@cache
def load_photograph(package, path):
    """Read a photograph from an installed package's folder, without importing the package.

    Returns (H, W, 3) uint8 RGB. Raises FileNotFoundError if the package or its file is missing.
    """
    spec = find_spec(package)
    if spec is None:
        raise FileNotFoundError(f"package {package} is not installed; run `make setup`")
    file = Path(spec.origin).parent / path
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; reinstall {package} (`make setup`)")
    with Image.open(file) as photograph:
        return np.asarray(photograph.convert("RGB"))


def _background(split, size_px, rng):
    """A random crop of a random photograph of the split: (height, width, 3) float32 in 0..1."""
    width, height = size_px
    photograph = load_photograph(*PHOTOGRAPHS[split][rng.integers(len(PHOTOGRAPHS[split]))])
    largest = min(photograph.shape[1] / width, photograph.shape[0] / height)
    scale = largest * rng.uniform(*CROP_RANGE)
    crop_width, crop_height = int(width * scale), int(height * scale)
    left = rng.integers(photograph.shape[1] - crop_width + 1)
    top = rng.integers(photograph.shape[0] - crop_height + 1)
    crop = photograph[top : top + crop_height, left : left + crop_width]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    crop = cv2.resize(np.ascontiguousarray(crop), size_px, interpolation=method)
    gains = rng.uniform(*BACKGROUND_GAIN) * (1 + rng.uniform(-TINT, TINT, size=3))
    return np.minimum(crop.astype(np.float32) / 255 * gains.astype(np.float32), 1)


def _sprite(class_name, size_px, rng):
    """A mascot at random pose, light, scale and brightness: float32 (h, w, 4) premultiplied."""
    side_px = rng.uniform(*SIDE_RANGE) * min(size_px)
    sprite = render(MASCOTS[class_name], random_rotation(rng), random_light(rng), side_px)
    sprite[..., :3] *= rng.uniform(*OBJECT_GAIN)
    return sprite


def _paste(sprite, size_px, rng):
    """The sprite at a random place of an empty canvas: float32 (H, W, 4)."""
    width, height = size_px
    canvas = np.zeros((height, width, 4), np.float32)
    left = rng.integers(width - sprite.shape[1] + 1)
    top = rng.integers(height - sprite.shape[0] + 1)
    canvas[top : top + sprite.shape[0], left : left + sprite.shape[1]] = sprite
    return canvas


def _keeps_all_visible(weights, alphas):
    """Whether every object still shows at least VISIBLE_SHARE of its own mask."""
    return all(
        (weight >= VISIBLE_ALPHA).sum() >= VISIBLE_SHARE * (alpha >= VISIBLE_ALPHA).sum()
        for weight, alpha in zip(weights, alphas)
    )


def _add_object(image, weights, alphas, sprite, rng):
    """Put a sprite over the image where it hides no object too much; None if no place is found."""
    size_px = (image.shape[1], image.shape[0])
    for _ in range(PLACEMENT_TRIES):
        layer = _paste(sprite, size_px, rng)
        through = 1 - layer[..., 3]
        covered = [weight * through for weight in weights]
        if _keeps_all_visible(covered, alphas):
            image = image * through[..., None] + layer[..., :3]
            return image, covered + [layer[..., 3]], alphas + [layer[..., 3]]
    return None


def mask_box(mask):
    """Box (xmin, ymin, xmax, ymax) of a boolean mask (H, W) in fractions of the image.

    xmin is the first column over the width, xmax the last column + 1 over the width.
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    height, width = mask.shape
    return (
        columns[0] / width,
        rows[0] / height,
        (columns[-1] + 1) / width,
        (rows[-1] + 1) / height,
    )


def compose(recipe, split, rng):
    """Make one image: a background with 0, 1 or more mascots, a later one over the earlier ones.

    recipe: Recipe. split: "train" or "val". rng: numpy Generator, the only source of chance.
    Returns (image, labels, masks): image (H, W, 3) uint8 RGB; labels (n, 5) float32 rows
    [class_id, xmin, ymin, xmax, ymax] in fractions; masks (n, H, W) bool, the visible pixels whose
    bounding boxes the labels are.
    """
    image, weights, alphas, class_ids = _background(split, recipe.size_px, rng), [], [], []
    for _ in range(rng.choice(len(recipe.count_shares), p=recipe.count_shares)):
        class_id = rng.integers(len(recipe.class_names))
        sprite = _sprite(recipe.class_names[class_id], recipe.size_px, rng)
        placed = _add_object(image, weights, alphas, sprite, rng)
        if placed is not None:
            image, weights, alphas = placed
            class_ids.append(class_id)
    # Blur is linear, so blurring each object's share of the light gives its exact mask afterwards.
    sigma = rng.uniform(*BLUR_SIGMA)
    if sigma > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
        weights = [cv2.GaussianBlur(weight, (0, 0), sigma) for weight in weights]
    masks = np.array(weights).reshape(len(weights), *image.shape[:2]) >= VISIBLE_ALPHA
    rows = [(class_id, *mask_box(mask)) for class_id, mask in zip(class_ids, masks)]
    image = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return image, np.array(rows, np.float32).reshape(-1, 5), masks
