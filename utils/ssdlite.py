"""SSDLite: the heads of SSD on EfficientNet-Lite0, a base that comes trained on ImageNet.

After Sandler et al., MobileNetV2, 2018, section 6.2, and Tan and Le, EfficientNet, 2019, in its
form for small devices: ReLU6 everywhere, no squeeze-and-excitation. The base has no batch
normalisation: `single_shot.weights.lite0` folds what ImageNet taught it into the convolutions.
"""

from utils.anchors import anchor_shapes
from utils.data import MEAN, STD
from utils.ssd import BatchNormReLU, box_predictor, class_predictor, concat_predictions

import mxnet as mx
import numpy as np
from mxnet import init, nd
from mxnet.gluon import nn

STEM_CHANNELS = 32
# Of each stage: kernel, stride, expansion, channels, number of blocks (EfficientNet, table 1).
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
MAP_STAGES = (3, 5, 7)  # of the base, the stem being 0, that predict: strides 8, 16 and 32
# The detector bounds activations at 6 in the stages before its first map only. In later ones about
# one in a hundred reaches the bound, and training is 1.3 times as fast without: oneDNN has no clip.
BOUNDED_STAGES = 3
TOP_CHANNELS, EXTRA_CHANNELS = 1280, 256
STRIDE = 32  # of the base's last map
LITE0_MEAN, LITE0_STD = 127.0, 128.0  # it learnt from (x - 127) / 128, where x is 0 to 255
# The scales of SSD300's six maps, see there; each with its geometric mean with the next.
SCALES = (0.1, 0.2, 0.375, 0.55, 0.725, 0.9, 1.075)
SIZES = tuple((a, round((a * b) ** 0.5, 3)) for a, b in zip(SCALES, SCALES[1:]))
RATIOS = (1, 2, 0.5)


class ReLU6(nn.HybridBlock):
    """Set what is negative to 0 and what is above 6 to 6."""

    def hybrid_forward(self, F, x):
        """x: any shape."""
        return F.clip(x, 0, 6)


def convolution(
    in_channels: int, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Conv2D:
    """Return a convolution that pads maps of even sides as TensorFlow does, where Lite0 learnt.

    With a stride of 2 it pads at the right and the bottom only. MXNet pads all sides alike; a
    kernel that is one wider, its first row and column 0, does the same.
    """
    size, padding = kernel + stride - 1, kernel // 2
    options = {"groups": groups, "in_channels": in_channels}
    return nn.Conv2D(channels, size, stride, padding, **options)


def activation(bounded: bool) -> nn.HybridBlock:
    """Return ReLU6 or, not bounded, ReLU."""
    return ReLU6() if bounded else nn.Activation("relu")


class InvertedResidual(nn.HybridBlock):
    """Widen the channels, look around in each of them, narrow them; add the input where it fits.

    (N, in_channels, H, W) to (N, channels, H / stride, W / stride), H and W even. The last
    convolution has no activation (MobileNetV2, section 3.2).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int,
        stride: int,
        expansion: int,
        bounded: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.has_shortcut = stride == 1 and in_channels == channels
        wide = in_channels * expansion
        with self.name_scope():
            self.layers = nn.HybridSequential()
            if expansion > 1:
                self.layers.add(convolution(in_channels, wide, 1), activation(bounded))
            self.layers.add(convolution(wide, wide, kernel, stride, groups=wide))
            self.layers.add(activation(bounded))
            self.layers.add(convolution(wide, channels, 1))

    def hybrid_forward(self, F, x):
        """x: (N, in_channels, H, W)."""
        y = self.layers(x)
        return x + y if self.has_shortcut else y


class Rescale(nn.HybridBlock):
    """Turn images that `data.normalize` made into what Lite0 learnt from."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        factor = np.array(STD) / LITE0_STD
        offset = (np.array(MEAN) - LITE0_MEAN) / LITE0_STD
        with self.name_scope():
            self.factor = self.params.get_constant("factor", factor.reshape(1, 3, 1, 1))
            self.offset = self.params.get_constant("offset", offset.reshape(1, 3, 1, 1))

    def hybrid_forward(self, F, x, factor, offset):
        """x: (N, 3, H, W)."""
        return F.broadcast_add(F.broadcast_mul(x, factor), offset)


def lite0_stages(num_bounded: int = 1 + len(STAGES)) -> nn.HybridSequential:
    """Return EfficientNet-Lite0's eight stages, the stem first, with random weights.

    They lead from (N, 3, H, W) normalised images, H and W multiples of 32, to
    (N, 320, H / 32, W / 32). num_bounded: how many of them have ReLU6; the others have ReLU.
    """
    stages, stem = nn.HybridSequential(), nn.HybridSequential()
    stem.add(Rescale(), convolution(3, STEM_CHANNELS, 3, stride=2), ReLU6())
    stages.add(stem)
    in_channels = STEM_CHANNELS
    for kernel, stride, expansion, channels, number in STAGES:
        stage, bounded = nn.HybridSequential(), len(stages) < num_bounded
        stage.add(InvertedResidual(in_channels, channels, kernel, stride, expansion, bounded))
        for _ in range(number - 1):
            stage.add(InvertedResidual(channels, channels, kernel, 1, expansion, bounded))
        stages.add(stage)
        in_channels = channels
    return stages


class Lite0(nn.HybridBlock):
    """EfficientNet-Lite0, a classifier: (N, 3, H, W) normalised images to (N, classes) logits."""

    def __init__(self, num_classes: int = 1000, **kwargs) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.base = lite0_stages()
            self.top = nn.HybridSequential()
            self.top.add(convolution(STAGES[-1][3], TOP_CHANNELS, 1), ReLU6())
            self.top.add(nn.GlobalAvgPool2D(), nn.Dense(num_classes, in_units=TOP_CHANNELS))

    def hybrid_forward(self, F, x):
        """x: (N, 3, H, W), H and W multiples of 32; it learnt at 224."""
        return self.top(self.base(x))


def extra_stage() -> nn.HybridSequential:
    """Return layers that halve a map: narrow, look around with a stride of 2, widen."""
    narrow, stage = EXTRA_CHANNELS // 2, nn.HybridSequential()
    stage.add(nn.Conv2D(narrow, 1), BatchNormReLU())
    stage.add(nn.Conv2D(narrow, 3, 2, 1, groups=narrow), BatchNormReLU())
    stage.add(nn.Conv2D(EXTRA_CHANNELS, 1), BatchNormReLU())
    return stage


class SSDLite(nn.HybridBlock):
    """A detector on Lite0's maps at strides 8, 16 and 32 and on maps that halve the last one on.

    num_classes: kinds of objects, background not counted; sizes: per map, the anchor sizes in
    fractions of the height; ratios: the same for each map. The base's maps pass a batch
    normalisation on their way to the predictors: their values are several times as large as those
    that random predictors expect.
    """

    def __init__(
        self, num_classes: int, sizes: tuple = SIZES, ratios: tuple = RATIOS, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.sizes, self.ratios = num_classes, sizes, ratios
        num_anchors = [len(anchor_shapes(of_map, ratios)) for of_map in sizes]
        with self.name_scope():
            self.base = lite0_stages(BOUNDED_STAGES)
            self.norms = nn.HybridSequential()
            self.norms.add(*[nn.BatchNorm() for _ in MAP_STAGES])
            self.extras = nn.HybridSequential()
            self.extras.add(*[extra_stage() for _ in sizes[len(MAP_STAGES) :]])
            self.class_predictors = nn.HybridSequential()
            self.class_predictors.add(*[class_predictor(k, num_classes) for k in num_anchors])
            self.box_predictors = nn.HybridSequential()
            self.box_predictors.add(*[box_predictor(k) for k in num_anchors])

    @property
    def base_stages(self) -> list[nn.HybridBlock]:
        """The stages that ImageNet taught, the stem first."""
        return [*self.base]

    def forward(self, x):
        """Check the size of the images, then go on to `hybrid_forward`.

        Raises ValueError for sides that are not multiples of `STRIDE`.
        """
        if isinstance(x, nd.NDArray) and any(side % STRIDE for side in x.shape[2:]):
            raise ValueError(
                f"images are {x.shape[3]} x {x.shape[2]} pixels; SSDLite halves them five times: "
                f"resize them to multiples of {STRIDE}"
            )
        return super().forward(x)

    def feature_maps(self, x: nd.NDArray) -> list[nd.NDArray]:
        """Return the maps that predict, the finest first."""
        maps = []
        for number, stage in enumerate(self.base):
            x = stage(x)
            if number in MAP_STAGES:
                maps.append(self.norms[len(maps)](x))
        for stage in self.extras:
            x = stage(x)
            maps.append(x)
        return maps

    def hybrid_forward(self, F, x):
        """Return anchors, class scores and offsets of a batch of images.

        x: (N, 3, H, W) normalised images, H and W multiples of `STRIDE`.
        Returns anchors (1, A, 4) in corner form, cls_preds (N, A, num_classes + 1) logits,
        box_preds (N, 4 * A) offsets.
        """
        maps = self.feature_maps(x)
        anchors = [
            F.contrib.MultiBoxPrior(map_, sizes=of_map, ratios=self.ratios)
            for map_, of_map in zip(maps, self.sizes, strict=True)
        ]
        cls_preds = [predict(map_) for predict, map_ in zip(self.class_predictors, maps)]
        box_preds = [predict(map_) for predict, map_ in zip(self.box_predictors, maps)]
        cls_preds = concat_predictions(F, cls_preds).reshape((0, -1, self.num_classes + 1))
        return F.concat(*anchors, dim=1), cls_preds, concat_predictions(F, box_preds)


def ssdlite(
    num_classes: int,
    ctx: mx.Context | list[mx.Context] | None = None,
    sizes: tuple = SIZES,
    ratios: tuple = RATIOS,
) -> SSDLite:
    """Return an SSDLite with random weights that runs as one compiled graph; see SSDLite."""
    net = SSDLite(num_classes, sizes, ratios)
    net.initialize(init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    return net
