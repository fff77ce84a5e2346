"""The worker of `step` that measures this project: `python step_mxnet.py INPUTS.npz`."""

import sys

from utils.losses import FocalLoss, SmoothL1Loss
from utils.ssd import compile_for_inference, toy_ssd

from mxnet import autograd, cpu, gluon, nd
from step_server import ALPHA, GAMMA, LEARNING_RATE, MATRIX_SIZE, load_inputs, serve


def load_net(weights):
    """Return ToySSD with the given weights, compiled."""
    net = toy_ssd(1, cpu())
    net.hybridize(False)
    net(nd.zeros((1, 3, 64, 64)))  # MXNet only now knows the shapes of the weights
    net.hybridize(static_alloc=True, static_shape=True)
    for parameter, weight in zip(net.collect_params().values(), weights, strict=True):
        parameter.set_data(nd.array(weight))
    return net


def main(path):
    """Serve a training step, a forward pass and a matrix product."""
    batch, weights = load_inputs(path)
    images, cls_targets, box_targets, box_masks = (nd.array(array) for array in batch)
    net, cls_loss, box_loss = load_net(weights), FocalLoss(ALPHA, GAMMA), SmoothL1Loss()
    detector = load_net(weights)
    compile_for_inference(detector, images.shape[2])
    cls_loss.hybridize(static_alloc=True, static_shape=True)
    box_loss.hybridize(static_alloc=True, static_shape=True)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": LEARNING_RATE})
    matrix = nd.random.normal(shape=(MATRIX_SIZE, MATRIX_SIZE))

    def train():
        with autograd.record():
            _, cls_preds, box_preds = net(images)
            losses = cls_loss(cls_preds, cls_targets)
            losses = losses + box_loss(box_preds, box_targets, box_masks)
        losses.backward()
        trainer.step(1)  # the losses are already divided by the positives
        nd.waitall()
        return float(losses.sum().asscalar())

    def forward():
        _, cls_preds, box_preds = detector(images)
        box_preds.wait_to_read()
        return float(cls_preds.mean().asscalar())

    def matmul():
        # oneDNN's product, as in the convolutions; `nd.dot` takes a slower one.
        product = nd.FullyConnected(matrix, matrix, no_bias=True, num_hidden=MATRIX_SIZE)
        return float(product[0, 0].asscalar())

    serve({"train": train, "forward": forward, "matmul": matmul})


if __name__ == "__main__":
    main(sys.argv[1])
