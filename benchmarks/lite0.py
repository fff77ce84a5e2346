"""Our EfficientNet-Lite0 beside its own code in PyTorch, on random images.

    python benchmarks/lite0.py [--python build/torch/bin/python]

Prints the greatest difference of a logit; exit status 1 if it is more than 1e-4 of the largest.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from single_shot.weights import imagenet_classifier
from utils.context import seed_everything
from utils.data import MEAN, STD
from utils.ssdlite import LITE0_MEAN, LITE0_STD

import numpy as np
from mxnet import nd

BOUND = 1e-4
HERE = Path(__file__).parent


def main():
    """Compare on eight images of 224 x 224 pixels and four of 256 x 320."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="build/torch/bin/python", help="with PyTorch")
    python, worst = parser.parse_args().python, 0
    seed_everything()
    net = imagenet_classifier()
    for shape in ((8, 3, 224, 224), (4, 3, 256, 320)):
        pixels = np.random.uniform(0, 255, shape).astype(np.float32)
        mean, std = (np.float32(each).reshape(3, 1, 1) for each in (MEAN, STD))
        ours = net(nd.array((pixels - mean) / std)).asnumpy()
        theirs = in_torch(python, (pixels - LITE0_MEAN) / LITE0_STD)
        difference = abs(ours - theirs).max() / abs(theirs).max()
        print(f"{shape}: greatest logit {abs(theirs).max():.2f}, difference {difference:.1e} of it")
        worst = max(worst, difference)
    return int(worst > BOUND)


def in_torch(python, images):
    """Return the logits (N, 1000) of PyTorch for images as Lite0 learnt from them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name in ("images.npy", "logits.npy")]
        np.save(paths[0], np.float32(images))
        subprocess.run([python, str(HERE / "lite0_torch.py"), *paths], check=True)
        return np.load(paths[1])


if __name__ == "__main__":
    sys.exit(main())
