"""SSD300 and SSD512 on VGG16, with the layers and the names of Liu et al., SSD, 2016.

Like `ssd.ToySSD`, the network returns anchors, class scores and offsets, so that targets, losses,
training and detection are the same for both.
"""

from dataclasses import dataclass

from utils.ssd import BatchNormReLU, box_predictor, class_predictor, concat_predictions

from mxnet import init, nd
from mxnet.gluon import nn

# Convolutions and channels of VGG16's five blocks (Simonyan and Zisserman, 2014, configuration D).
VGG16_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
# The features of conv4_3 have another scale than those of later layers. They are brought to this
# norm, which training then changes (Liu et al., SSD, section 3.1, after their ParseNet).
INITIAL_NORM = 20.0
# Probability of background before training: three of the four anchors that the mined loss counts.
# With ToySSD's .99, two epochs from random weights reached an AP50 of .58 instead of .83.
MINED_PRIOR = 0.75
TWO_RATIOS, FOUR_RATIOS = (1, 2, 1 / 2), (1, 2, 1 / 2, 3, 1 / 3)
# Weights drawn so that activations keep their size through layers with ReLU (He et al., 2015).
WEIGHTS = init.Xavier(rnd_type="gaussian", factor_type="out", magnitude=2)


@dataclass(frozen=True)
class Layout:
    """What differs between the sizes of the network.

    image_size: side of the images in pixels. scales: the anchors' size at each feature map as a
    fraction of the image, and the one that would come next. ratios: width / height, for each map.
    steps: pixels of the image between anchors, for each map, or None to divide it evenly.
    extras: after conv7, pairs of layers: channels of the 1 x 1 convolution, then channels, kernel,
    stride and padding of the other.
    """

    image_size: int
    scales: tuple
    ratios: tuple
    extras: tuple
    steps: tuple | None = None

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """For each map, the size and its geometric mean with the next one."""
        pairs = zip(self.scales, self.scales[1:])
        return [(scale, (scale * after) ** 0.5) for scale, after in pairs]


SSD300 = Layout(
    image_size=300,
    scales=(0.1, 0.2, 0.375, 0.55, 0.725, 0.9, 1.075),  # section 2.2 and, for 0.1, section 3.1
    ratios=(TWO_RATIOS, FOUR_RATIOS, FOUR_RATIOS, FOUR_RATIOS, TWO_RATIOS, TWO_RATIOS),
    extras=(
        (256, 512, 3, 2, 1),
        (128, 256, 3, 2, 1),
        (128, 256, 3, 1, 0),
        (128, 256, 3, 1, 0),
    ),
)
SSD512 = Layout(
    image_size=512,
    scales=(0.07, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05),  # section 3.3
    ratios=(TWO_RATIOS, *[FOUR_RATIOS] * 4, TWO_RATIOS, TWO_RATIOS),
    extras=(
        (256, 512, 3, 2, 1),
        (128, 256, 3, 2, 1),
        (128, 256, 3, 2, 1),
        (128, 256, 3, 2, 1),
        (128, 256, 4, 1, 1),
    ),
)


def dense_to_convolution(weight: nd.NDArray, side: int) -> nd.NDArray:
    """Return a dense layer's weight as that of a convolution with a kernel as large as its map.

    weight: (O, C * side * side), over a flattened (C, side, side) map. Returns (O, C, side, side):
    on such a map, the convolution and the dense layer are equal.
    """
    return weight.reshape((weight.shape[0], -1, side, side))


def decimate(weight: nd.NDArray, steps: tuple) -> nd.NDArray:
    """Return every n-th entry of each axis, beginning with the first (Liu et al., section 3).

    weight: an array; steps: n for each of its axes.
    """
    return weight[tuple(slice(None, None, step) for step in steps)]


def convolution(
    name: str,
    channels: int,
    kernel: int = 3,
    stride: int = 1,
    padding: int = 1,
    dilation: int = 1,
    batch_norm: bool = False,
) -> nn.HybridSequential:
    """Return a convolution of the paper's name, batch normalisation if asked for, and ReLU."""
    block = nn.HybridSequential(prefix="")
    options = {"strides": stride, "padding": padding, "dilation": dilation}
    block.add(nn.Conv2D(channels, kernel, **options, weight_initializer=WEIGHTS, prefix=f"{name}_"))
    block.add(BatchNormReLU(prefix=f"{name}_bn_") if batch_norm else nn.Activation("relu"))
    return block


class NormScale(nn.HybridBlock):
    """Bring the channels of every pixel to length 1, then scale each channel by a learnt factor."""

    def __init__(self, channels: int, **kwargs) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.scale = self.params.get(
                "scale", shape=(1, channels, 1, 1), init=init.Constant(INITIAL_NORM)
            )

    def hybrid_forward(self, F, x, scale):
        """x: (N, C, H, W). Returns the same shape."""
        # Both factors first, as they are small: one pass over the map instead of two.
        inverse_length = F.rsqrt(F.sum(F.square(x), axis=1, keepdims=True) + 1e-5)
        return F.broadcast_mul(x, F.broadcast_mul(inverse_length, scale))


class VGG16(nn.HybridBlock):
    """The base network: VGG16 with its dense layers turned into convolutions.

    Returns conv4_3 and conv7, (N, 512, H / 8, W / 8) and (N, 1024, H / 16, W / 16).
    width: multiplies the number of channels; batch_norm: normalises after every convolution.
    """

    def __init__(self, width: float = 1.0, batch_norm: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.blocks = nn.HybridSequential(prefix="")
            for number, (num_layers, channels) in enumerate(VGG16_BLOCKS, start=1):
                block = nn.HybridSequential(prefix="")
                for layer in range(1, num_layers + 1):
                    name = f"conv{number}_{layer}"
                    # Images come normalised, and at full resolution it is what costs most.
                    normalise = batch_norm and name != "conv1_1"
                    block.add(convolution(name, int(width * channels), batch_norm=normalise))
                self.blocks.add(block)
            # The nine weights of conv6 sit where they sat in fc6, three pixels apart: pool5 keeps
            # its map's size here, so that three pixels have become six.
            self.conv6 = convolution("conv6", int(width * 1024), 3, 1, 6, 6, batch_norm)
            self.conv7 = convolution("conv7", int(width * 1024), 1, 1, 0, 1, batch_norm)

    def convolutions(self) -> list[nn.Conv2D]:
        """Return conv1_1 to conv5_3, conv6 and conv7."""
        named = [*(layer for block in self.blocks for layer in block), self.conv6, self.conv7]
        return [layer[0] for layer in named]

    def hybrid_forward(self, F, x):
        """x: (N, 3, H, W) normalised images."""
        halve = {"pool_type": "max", "kernel": (2, 2), "stride": (2, 2)}
        for block in self.blocks[:3]:
            # `full` rounds up: 75 pixels become 38, as in Caffe, where the paper was trained.
            x = F.Pooling(block(x), pooling_convention="full", **halve)
        conv4_3 = self.blocks[3](x)
        x = self.blocks[4](F.Pooling(conv4_3, pooling_convention="full", **halve))
        # pool5 keeps the size of its map, so that conv6 sees 19 x 19 pixels.
        x = F.Pooling(x, pool_type="max", kernel=(3, 3), stride=(1, 1), pad=(1, 1))
        return conv4_3, self.conv7(self.conv6(x))


class SSD(nn.HybridBlock):
    """A detector that predicts classes and offsets for anchors on the maps of a Layout.

    num_classes: kinds of objects, background not counted; layout: SSD300, SSD512 or another;
    width, batch_norm: see VGG16; batch_norm holds for the layers after it too.
    """

    def __init__(
        self,
        num_classes: int,
        layout: Layout = SSD300,
        width: float = 1.0,
        batch_norm: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.layout = layout
        with self.name_scope():
            self.base = VGG16(width, batch_norm, prefix="")
            self.conv4_3_norm = NormScale(int(width * 512), prefix="conv4_3_norm_")
            self.extras = nn.HybridSequential(prefix="")
            for number, extra in enumerate(layout.extras, start=8):
                narrow, channels, kernel, stride, padding = extra
                first, second = f"conv{number}_1", f"conv{number}_2"
                block = nn.HybridSequential(prefix="")
                block.add(
                    convolution(first, int(width * narrow), 1, 1, 0, 1, batch_norm),
                    convolution(
                        second, int(width * channels), kernel, stride, padding, 1, batch_norm
                    ),
                )
                self.extras.add(block)
            self.class_predictors = nn.HybridSequential(prefix="classes_")
            self.box_predictors = nn.HybridSequential(prefix="boxes_")
            for ratios in layout.ratios:
                num_anchors = 1 + len(ratios)
                with self.class_predictors.name_scope():
                    self.class_predictors.add(
                        class_predictor(num_anchors, num_classes, MINED_PRIOR)
                    )
                with self.box_predictors.name_scope():
                    self.box_predictors.add(box_predictor(num_anchors))

    @property
    def base_stages(self) -> list[nn.HybridBlock]:
        """The stages of VGG16: its five blocks, conv6 and conv7."""
        return [*self.base.blocks, self.base.conv6, self.base.conv7]

    def feature_maps(self, x: nd.NDArray) -> list[nd.NDArray]:
        """Return the maps that predict: conv4_3, conv7 and those of the extra layers."""
        conv4_3, x = self.base(x)
        maps = [self.conv4_3_norm(conv4_3), x]
        for block in self.extras:
            x = block(x)
            maps.append(x)
        return maps

    def anchors(self, F, feature_map, number):
        """Return the anchors (1, A_i, 4) of a map, in corner form."""
        layout = self.layout
        step = layout.steps[number] / layout.image_size if layout.steps else -1
        return F.contrib.MultiBoxPrior(
            feature_map,
            sizes=layout.sizes[number],
            ratios=layout.ratios[number],
            steps=(step, step),
        )

    def hybrid_forward(self, F, x):
        """Return anchors, class scores and offsets of a batch of images.

        x: (N, 3, image_size, image_size) normalised images.
        Returns anchors (1, A, 4) in corner form, cls_preds (N, A, num_classes + 1) logits,
        box_preds (N, 4 * A) offsets. A = 8732 for SSD300, 24564 for SSD512.
        """
        maps = self.feature_maps(x)
        anchors = [self.anchors(F, feature_map, i) for i, feature_map in enumerate(maps)]
        cls_preds = [predict(m) for predict, m in zip(self.class_predictors, maps)]
        box_preds = [predict(m) for predict, m in zip(self.box_predictors, maps)]
        cls_preds = concat_predictions(F, cls_preds).reshape((0, -1, self.num_classes + 1))
        return F.concat(*anchors, dim=1), cls_preds, concat_predictions(F, box_preds)
