"""A second CPU device in place of a GPU, and a guard that refuses what a GPU would refuse.

Arrays of two CPU devices may meet in an operator, those of CPU and GPU may not ("require all inputs
live on the same context", MXNet's imperative_utils.h), so that the guard refuses the former as
MXNet refuses the latter. Only copies may cross.
"""

import utils.context

import mxnet as mx
from mxnet._ctypes import ndarray as calls

DEVICE = mx.cpu(1)


def one_device(pack):
    """Return a form of `calls.c_handle_array` that refuses arrays of several devices.

    All that an operator or a compiled graph is given passes through that function.
    """

    def pack_one_device(arrays):
        devices = {str(array.context) for array in arrays}
        assert len(devices) <= 1, f"one operator, arrays on {sorted(devices)}"
        return pack(arrays)

    return pack_one_device


def take_over():
    """Guard this process, and let `best_context` choose the stand-in, as it would choose a GPU."""
    utils.context.best_context = lambda: DEVICE
    calls.c_handle_array = one_device(calls.c_handle_array)
