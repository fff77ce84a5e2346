"""ToySSD: a small single-shot detector with five scales (after Liu et al., SSD, 2016)."""

import math

from utils.anchors import anchor_shapes

import mxnet as mx
import numpy as np
from mxnet import init, nd, runtime
from mxnet.gluon import nn

# Two sizes a scale. The first ones run from 0.2 to 0.88 in equal steps of 0.17; the second is the
# geometric mean of the first and its successor, so that neighbouring scales overlap.
SIZES = ((0.2, 0.272), (0.37, 0.447), (0.54, 0.619), (0.71, 0.79), (0.88, 0.961))
RATIOS = (1, 2, 0.5)
# Three halvings in the body and three more after it leave one pixel of a 64-pixel image.
MINIMUM_IMAGE_SIZE = 64
# Probability of background for every anchor before training, where all anchors count.
BACKGROUND_PRIOR = 0.99


def class_predictor(
    num_anchors: int, num_classes: int, prior: float = BACKGROUND_PRIOR
) -> nn.Conv2D:
    """Return the convolution that scores every anchor of every cell.

    Channel `anchor * (num_classes + 1) + c` is the score of class c; class 0 is background. The
    bias starts so that every anchor is background with probability `prior`, by default nearly
    surely: else the first steps of training learn nothing but that (Lin et al., Focal Loss,
    section 4.1).
    """
    bias = [math.log(num_classes * prior / (1 - prior))] + [0] * num_classes
    return nn.Conv2D(
        num_anchors * (num_classes + 1),
        kernel_size=3,
        padding=1,
        bias_initializer=init.Constant(np.array(bias * num_anchors)),
    )


def box_predictor(num_anchors: int) -> nn.Conv2D:
    """Return the convolution that predicts four offsets for every anchor of every cell."""
    return nn.Conv2D(num_anchors * 4, kernel_size=3, padding=1)


def flatten_prediction(prediction: nd.NDArray) -> nd.NDArray:
    """Bring the channels last and flatten: (N, C, H, W) to (N, H * W * C).

    The order is then row, column, anchor: that of the anchors.
    """
    return prediction.transpose((0, 2, 3, 1)).flatten()


def concat_predictions(F, predictions: list) -> nd.NDArray:
    """Join the predictions of all scales into one row an image.

    F: `nd` or the symbol module; predictions: list of (N, C_i, H_i, W_i).
    Returns (N, sum of C_i * H_i * W_i).
    """
    return F.concat(*[flatten_prediction(prediction) for prediction in predictions], dim=1)


def on_onednn(net: nn.Block) -> bool:
    """Whether a network's weights lie where oneDNN computes: on the CPU, in a build that has it."""
    devices = {ctx.device_type for p in net.collect_params().values() for ctx in p.list_ctx()}
    return devices == {"cpu"} and runtime.Features().is_enabled("MKLDNN")


class BatchNormReLU(nn.BatchNorm):
    """Batch normalisation and ReLU, in one pass over memory where MXNet can.

    The first layers of ToySSD wait for memory, so the fused operator is worth 15 % of a training
    step. It exists for oneDNN on the CPU only; elsewhere the two operators follow each other.
    """

    may_fuse = True

    def hybrid_forward(self, F, x, **params):
        """Normalise the channels of x (N, C, H, W), then set what is negative to 0."""
        self.fuse_relu = self.may_fuse and on_onednn(self)
        x = super().hybrid_forward(F, x, **params)
        return x if self.fuse_relu else F.Activation(x, act_type="relu")


def down_sample(num_filters: int) -> nn.HybridSequential:
    """Return two 3 x 3 convolutions and a 2 x 2 max-pooling that halves height and width."""
    block = nn.HybridSequential()
    for _ in range(2):
        block.add(nn.Conv2D(num_filters, kernel_size=3, padding=1), BatchNormReLU())
    block.add(nn.MaxPool2D(2))
    return block


def body() -> nn.HybridSequential:
    """Return the base network: three halvings, (N, 3, H, W) to (N, 64, H / 8, W / 8)."""
    block = nn.HybridSequential()
    for num_filters in (16, 32, 64):
        block.add(down_sample(num_filters))
    return block


class ToySSD(nn.HybridBlock):
    """A detector that predicts classes and offsets for anchors on five feature maps.

    num_classes: kinds of objects, background not counted.
    sizes: per scale, the anchor sizes in fractions of the height; ratios: the same for each scale.
    """

    def __init__(
        self, num_classes: int, sizes: tuple = SIZES, ratios: tuple = RATIOS, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.sizes = sizes
        self.ratios = ratios
        num_anchors = [len(anchor_shapes(scale_sizes, ratios)) for scale_sizes in sizes]
        with self.name_scope():
            self.stages = nn.HybridSequential()
            self.stages.add(body(), *[down_sample(128) for _ in sizes[2:]], nn.GlobalMaxPool2D())
            self.class_predictors = nn.HybridSequential()
            self.class_predictors.add(*[class_predictor(k, num_classes) for k in num_anchors])
            self.box_predictors = nn.HybridSequential()
            self.box_predictors.add(*[box_predictor(k) for k in num_anchors])

    @property
    def base_stages(self) -> list[nn.HybridBlock]:
        """The stages of the base network, the first one first."""
        return [*self.stages[0]]

    def forward(self, x):
        """Check the size of the images, then go on to `hybrid_forward`.

        Raises ValueError for an image below `MINIMUM_IMAGE_SIZE`.
        """
        if isinstance(x, nd.NDArray) and min(x.shape[2:]) < MINIMUM_IMAGE_SIZE:
            raise ValueError(
                f"images are {x.shape[3]} x {x.shape[2]} pixels; ToySSD halves them six times: "
                f"resize them to {MINIMUM_IMAGE_SIZE} or more"
            )
        return super().forward(x)

    def hybrid_forward(self, F, x):
        """Return anchors, class scores and offsets of a batch of images.

        x: (N, 3, H, W) normalised images, H and W at least `MINIMUM_IMAGE_SIZE`.
        Returns anchors (1, A, 4) in corner form, cls_preds (N, A, num_classes + 1) logits,
        box_preds (N, 4 * A) offsets. A = 5444 at 256 x 256.
        """
        anchors, cls_preds, box_preds = [], [], []
        scales = zip(
            self.stages, self.class_predictors, self.box_predictors, self.sizes, strict=True
        )
        for stage, predict_classes, predict_boxes, sizes in scales:
            x = stage(x)
            anchors.append(F.contrib.MultiBoxPrior(x, sizes=sizes, ratios=self.ratios))
            cls_preds.append(predict_classes(x))
            box_preds.append(predict_boxes(x))
        cls_preds = concat_predictions(F, cls_preds).reshape((0, -1, self.num_classes + 1))
        return F.concat(*anchors, dim=1), cls_preds, concat_predictions(F, box_preds)


def toy_ssd(
    num_classes: int,
    ctx: mx.Context | list[mx.Context] | None = None,
    initializer: init.Initializer | None = None,
    sizes: tuple = SIZES,
    ratios: tuple = RATIOS,
) -> ToySSD:
    """Return an initialised ToySSD that runs as one compiled graph.

    num_classes: kinds of objects; ctx: device or devices; initializer: of the weights, Xavier by
    default; sizes, ratios: of the anchors, see ToySSD.
    """
    net = ToySSD(num_classes, sizes, ratios)
    net.initialize(initializer or init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def compile_for_inference(net: nn.HybridBlock, image_size: int) -> None:
    """Compile a trained detector for detection alone; it cannot be trained afterwards.

    With oneDNN each convolution takes in its batch normalisation and ReLU, for which these must be
    separate operators. Elsewhere nothing changes.
    image_size: side in pixels of the images that it will see most.
    """
    if not on_onednn(net):
        return
    net.apply(lambda block: setattr(block, "may_fuse", False))
    images = nd.zeros((1, 3, image_size, image_size))
    net.optimize_for(images, backend="MKLDNN", static_alloc=True, static_shape=True)
