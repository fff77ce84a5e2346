"""The worker of `step` that measures PyTorch: `python step_torch.py INPUTS.npz VARIANT`.

The same network, losses and optimiser as the project's, from the same weights. It needs PyTorch and
NumPy alone. The targets are given, so PyTorch need not compute anchors; MXNet does.
"""

import sys

import torch
from step_server import ALPHA, GAMMA, LEARNING_RATE, MATRIX_SIZE, load_inputs, serve
from torch import nn
from torch.nn import functional as F

NUM_ANCHORS = 4  # a pixel
SMALLEST_ERROR = 1e-12


def down_sample(in_channels, out_channels):
    """Return two 3 x 3 convolutions and a 2 x 2 max-pooling that halves height and width."""
    layers = []
    for channels in (in_channels, out_channels):
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1)]
        layers += [nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


class ToySSD(nn.Module):
    """The network of `utils.ssd`, with its layers in the same order."""

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes
        body = nn.Sequential(down_sample(3, 16), down_sample(16, 32), down_sample(32, 64))
        stages = [body, down_sample(64, 128), down_sample(128, 128), down_sample(128, 128)]
        self.stages = nn.ModuleList([*stages, nn.AdaptiveMaxPool2d(1)])
        channels = (64, 128, 128, 128, 128)
        cls_channels = NUM_ANCHORS * (num_classes + 1)
        self.class_predictors = nn.ModuleList(
            [nn.Conv2d(inputs, cls_channels, 3, padding=1) for inputs in channels]
        )
        self.box_predictors = nn.ModuleList(
            [nn.Conv2d(inputs, NUM_ANCHORS * 4, 3, padding=1) for inputs in channels]
        )

    def forward(self, x):
        """x: (N, 3, H, W). Returns cls_preds (N, A, C + 1) and box_preds (N, 4 * A)."""
        cls_preds, box_preds = [], []
        for stage, classes, boxes in zip(self.stages, self.class_predictors, self.box_predictors):
            x = stage(x)
            cls_preds.append(classes(x).permute(0, 2, 3, 1).flatten(1))
            box_preds.append(boxes(x).permute(0, 2, 3, 1).flatten(1))
        cls_preds = torch.cat(cls_preds, dim=1).reshape(len(x), -1, self.num_classes + 1)
        return cls_preds, torch.cat(box_preds, dim=1)


def load_weights(net, weights):
    """Give the network the weights, which come in the order of its layers."""
    names = [name for name in net.state_dict() if not name.endswith("num_batches_tracked")]
    state = {name: torch.from_numpy(weight) for name, weight in zip(names, weights, strict=True)}
    net.load_state_dict(state, strict=False)


def focal_loss(cls_preds, cls_targets):
    """Return the sum of `losses.FocalLoss`: focal loss over the number of positives."""
    log_p = F.log_softmax(cls_preds, dim=-1).gather(2, cls_targets[..., None])[..., 0]
    error = (-torch.expm1(log_p)).clamp(min=SMALLEST_ERROR)
    is_positive = cls_targets > 0
    weight = torch.where(is_positive, ALPHA, 1 - ALPHA)
    return -(weight * error**GAMMA * log_p).sum() / is_positive.sum().clamp(min=1)


def smooth_l1_loss(box_preds, box_targets, box_masks):
    """Return the sum of `losses.SmoothL1Loss`: smooth L1 over the number of positives."""
    loss = F.smooth_l1_loss(box_preds * box_masks, box_targets * box_masks, reduction="sum")
    return loss / (box_masks.sum() / 4).clamp(min=1)


def load(path, variant):
    """Return the network and the batch, a list of tensors, laid out as the variant wants them."""
    batch, weights = load_inputs(path)
    images, cls_targets, *box_targets = (torch.from_numpy(array) for array in batch)
    net = ToySSD(num_classes=1)
    load_weights(net, weights)
    if variant != "eager":
        images = images.to(memory_format=torch.channels_last)
        net = net.to(memory_format=torch.channels_last)
    return net, [images, cls_targets.long(), *box_targets]


def main(path, variant):
    """Serve a training step, a forward pass and a matrix product.

    variant: `eager`, `channels_last` or `compiled`, which is channels_last too.
    """
    net, (images, cls_targets, *box_targets) = load(path, variant)
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE, fused=True)
    matrix = torch.randn(MATRIX_SIZE, MATRIX_SIZE)
    maybe_compile = torch.compile if variant == "compiled" else lambda function: function
    predict = maybe_compile(net)

    @maybe_compile
    def total_loss():
        cls_preds, box_preds = net(images)
        return focal_loss(cls_preds, cls_targets) + smooth_l1_loss(box_preds, *box_targets)

    def train():
        net.train()
        optimizer.zero_grad()
        loss = total_loss()
        loss.backward()
        optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def forward():
        net.eval()
        return predict(images)[0].mean().item()

    def matmul():
        return (matrix @ matrix)[0, 0].item()

    serve({"train": train, "forward": forward, "matmul": matmul})


if __name__ == "__main__":
    main(*sys.argv[1:])
