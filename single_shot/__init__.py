"""The product that is built from what the lessons teach: from labelled images to detections."""

import utils  # noqa: F401  before MXNet
