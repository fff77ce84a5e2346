"""Two published recipes for the same network, written anew from their texts.

D2L: Zhang, Lipton, Li, Smola, Dive into Deep Learning, "Single Shot Multibox Detection", with the
images of its "The Object Detection Dataset". STRAIGHT_DOPE: Lipton, Li, Smola and others, Deep
Learning - The Straight Dope, "Object Detection Using Convolutional Neural Networks".
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from utils.context import best_context
from utils.data import MEAN, STD, loader, resize
from utils.ssd import ToySSD
from utils.targets import multibox_target

from mxnet import autograd, gluon, image, init, nd
from mxnet.gluon import nn
from mxnet.gluon.loss import L1Loss, Loss, SoftmaxCrossEntropyLoss

BATCH_SIZE = 32
IMAGE_SIZE = 256
WEIGHT_DECAY = 5e-4


class MeanFocalLoss(Loss):
    """The Straight Dope's focal loss: one alpha for all classes, mean over the anchors."""

    def __init__(self, alpha=0.25, gamma=2, **kwargs):
        super().__init__(weight=None, batch_axis=0, **kwargs)
        self.alpha = alpha
        self.gamma = gamma

    def hybrid_forward(self, F, cls_preds, cls_targets):
        """cls_preds: (N, A, C + 1) logits; cls_targets: (N, A). Returns (N,)."""
        p = F.pick(F.softmax(cls_preds), cls_targets)
        return F.mean(-self.alpha * (1 - p) ** self.gamma * F.log(p), axis=0, exclude=True)


class MeanSmoothL1Loss(Loss):
    """The Straight Dope's box loss: smooth L1, mean over all offsets, masked ones included."""

    def __init__(self, **kwargs):
        super().__init__(weight=None, batch_axis=0, **kwargs)

    def hybrid_forward(self, F, box_preds, box_targets, box_masks):
        """box_preds, box_targets, box_masks: (N, 4 * A). Returns (N,)."""
        losses = F.smooth_l1((box_preds - box_targets) * box_masks, scalar=1.0)
        return F.mean(losses, axis=0, exclude=True)


class MeanL1Loss(L1Loss):
    """D2L's box loss: L1, mean over all offsets, masked ones included."""

    def hybrid_forward(self, F, box_preds, box_targets, box_masks):
        """box_preds, box_targets, box_masks: (N, 4 * A). Returns (N,)."""
        return super().hybrid_forward(F, box_preds * box_masks, box_targets * box_masks)


# What The Straight Dope's `ImageDetIter(rand_crop=1, min_object_covered=0.95, max_attempts=200)`
# does to an image before it resizes it.
crop_around_object = image.CreateMultiRandCropAugmenter(
    min_object_covered=0.95, area_range=(0.05, 3.0), max_attempts=200
)


def crop_and_resize(pixels, labels, size):
    """Cut out a random part that covers more than 95 % of every object; resize it."""
    crop, labels = crop_around_object(nd.array(pixels, dtype=pixels.dtype), labels)
    return resize(crop.asnumpy(), labels, size)


@dataclass(frozen=True)
class Recipe:
    """How a text trains: SGD without momentum, batches of 32, losses that are means over anchors.

    mean: taken off the RGB values 0..255, which are not scaled; transform: (image, labels, size) to
    (image, labels).
    """

    name: str
    learning_rate: float
    initializer: init.Initializer
    cls_loss: type
    box_loss: type
    mean: tuple
    transform: Callable


D2L = Recipe(
    name="Dive into Deep Learning",
    learning_rate=0.2,
    initializer=init.Xavier(),
    cls_loss=SoftmaxCrossEntropyLoss,
    box_loss=MeanL1Loss,
    mean=(0, 0, 0),
    transform=resize,
)
STRAIGHT_DOPE = Recipe(
    name="The Straight Dope",
    learning_rate=0.1,
    initializer=init.Xavier(magnitude=2),
    cls_loss=MeanFocalLoss,
    box_loss=MeanSmoothL1Loss,
    mean=(123.68, 116.28, 103.53),
    transform=crop_and_resize,
)


def separate_down_sample(num_filters):
    """Return `ssd.down_sample` with batch normalisation and ReLU as two layers, as in the texts."""
    block = nn.HybridSequential()
    for _ in range(2):
        block.add(nn.Conv2D(num_filters, kernel_size=3, padding=1))
        block.add(nn.BatchNorm(in_channels=num_filters), nn.Activation("relu"))
    block.add(nn.MaxPool2D(2))
    return block


class PublishedSSD(ToySSD):
    """The network of the texts (TinySSD in D2L): ToySSD without what this project changed.

    Its class predictors start without a bias for background. separate_layers: batch normalisation
    and ReLU are two layers, as in the texts, which compute the same more slowly.
    """

    def __init__(self, num_classes, separate_layers, **kwargs):
        super().__init__(num_classes, **kwargs)
        with self.name_scope():
            self.class_predictors = nn.HybridSequential()
            for predictor in self.box_predictors:
                channels = predictor.weight.shape[0] // 4 * (num_classes + 1)
                self.class_predictors.add(nn.Conv2D(channels, kernel_size=3, padding=1))
            if separate_layers:
                body = nn.HybridSequential()
                body.add(*[separate_down_sample(num_filters) for num_filters in (16, 32, 64)])
                self.stages = nn.HybridSequential()
                self.stages.add(body, *[separate_down_sample(128) for _ in range(3)])
                self.stages.add(nn.GlobalMaxPool2D())


class AnyRange(nn.Block):
    """A network of a recipe that takes what `data.normalize` returns, as the library's do."""

    def __init__(self, net, mean, **kwargs):
        super().__init__(**kwargs)
        self.net = net
        self.shift = nd.array(MEAN) - nd.array(mean)

    def forward(self, x):
        """x: (N, 3, H, W) normalised images. Returns anchors, cls_preds, box_preds."""
        scale = nd.array(STD, ctx=x.context).reshape((1, 3, 1, 1))
        shift = self.shift.as_in_context(x.context).reshape((1, 3, 1, 1))
        return self.net(x * scale + shift)


class RecipeRun:
    """A run by a published recipe; what an epoch returns is as in `training.TrainingRun`.

    as_published: layers and execution of the text, else those of this project.
    image_sizes: iterator over the sides of the images in pixels, one entry an epoch.
    """

    def __init__(self, recipe, dataset, as_published, image_sizes):
        self.recipe = recipe
        self.dataset = dataset
        self.image_sizes = iter(image_sizes)
        self.history = []
        self.ctx = best_context()
        self.batch_size = min(BATCH_SIZE, len(dataset))
        self.cls_loss, self.box_loss = recipe.cls_loss(), recipe.box_loss()
        self.net = PublishedSSD(len(dataset.class_names), separate_layers=as_published)
        self.net.initialize(recipe.initializer, ctx=self.ctx)
        if not as_published:
            for block in (self.net, self.cls_loss, self.box_loss):
                block.hybridize(static_alloc=True, static_shape=True)
        options = {"learning_rate": recipe.learning_rate, "wd": WEIGHT_DECAY}
        self.trainer = gluon.Trainer(self.net.collect_params(), "sgd", options)

    def step(self, images, labels):
        """Learn from one batch; return its class and box loss, means over the images."""
        mean = nd.array(self.recipe.mean, ctx=self.ctx)
        x = (images.astype("float32") - mean).transpose((0, 3, 1, 2))
        with autograd.record():
            anchors, cls_preds, box_preds = self.net(x)
            box_targets, box_masks, cls_targets = multibox_target(anchors, labels)
            cls_loss = self.cls_loss(cls_preds, cls_targets)
            box_loss = self.box_loss(box_preds, box_targets, box_masks)
            loss = cls_loss + box_loss
        loss.backward()
        self.trainer.step(self.batch_size)
        return cls_loss.mean().asscalar(), box_loss.mean().asscalar()

    def run_epoch(self, *hooks):
        """Go through the data once; return the epoch's line of the history; hooks: after steps."""
        size, epoch = next(self.image_sizes), len(self.history)
        transform = partial(self.recipe.transform, size=size)
        num_images, started = 0, time.perf_counter()
        batches = {"batch_size": self.batch_size, "shuffle": True, "last_batch": "discard"}
        for batch in loader(self.dataset, transform, **batches):
            losses = self.step(*(array.as_in_context(self.ctx) for array in batch))
            self.values = dict(zip(("cls_loss", "box_loss"), losses, strict=True))
            num_images += len(batch[0])
            for hook in hooks:
                hook.after_step(self)
        seconds = time.perf_counter() - started
        speed = {"seconds": seconds, "images_per_second": num_images / seconds}
        self.history.append({"epoch": epoch + 1, "image_size": size, **speed})
        return self.history[-1]
