"""The middle part of the graph: the network, as MXNet exports it."""

import tempfile
from pathlib import Path

import mxnet as mx
import numpy as np
import onnx
from mxnet import gluon, nd, sym
from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph
from mxnet.onnx.mx2onnx._op_translations._op_translations_opset13 import get_inputs
from onnx import helper

IR_VERSION = 8  # of ONNX 1.10, from 2021, which older runtimes read; MXNet would write the newest


@MXNetGraph.register("rsqrt")
def convert_rsqrt(node: dict, **kwargs) -> list[onnx.NodeProto]:
    """Return the ONNX nodes of MXNet's rsqrt, for which it has no converter: `ssd300.NormScale`."""
    name, inputs, _ = get_inputs(node, kwargs)
    root = f"{name}_root"
    return [
        helper.make_node("Sqrt", inputs, [root], name=root),
        helper.make_node("Reciprocal", [root], [name], name=name),
    ]


def network_graph(net: gluon.HybridBlock, size: int) -> tuple[onnx.ModelProto, np.ndarray]:
    """Return a detector's network as a graph, and its anchors (A, 4) in corner form.

    net: as `networks.build_network` makes it, with its weights, not compiled for inference.
    The graph leads from `data` (N, 3, size, size) float32, normalised, to `cls_preds`
    (N, A, C + 1) logits and `box_preds` (N, 4 * A).
    """
    ctx = next(iter(net.collect_params().values())).list_ctx()[0]
    anchors = net(nd.zeros((1, 3, size, size), ctx=ctx))[0][0].asnumpy()
    nd.waitall()  # the pass lays out the weights anew, and they are read below
    net.apply(lambda block: setattr(block, "may_fuse", False))  # there is no fused one in ONNX
    net.hybridize(active=False)
    outputs = sym.Group(net(sym.var("data"))[1:])
    wanted = {*outputs.list_arguments(), *outputs.list_auxiliary_states()}
    weights = {
        name: parameter.data(ctx).as_in_context(mx.cpu())
        for name, parameter in net.collect_params().items()
        if name in wanted
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        mx.onnx.export_model(outputs, weights, [(1, 3, size, size)], np.float32, str(path))
        model = onnx.load(path)
    net.hybridize(static_alloc=True, static_shape=True)
    return plain(model), anchors


def plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return an exported network with one input, `data`, and outputs named as in the course.

    It was exported for one image, but nothing in it depends on that: it takes N.
    """
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    names = {
        old.name: new
        for old, new in zip(model.graph.output, ("cls_preds", "box_preds"), strict=True)
    }
    graph = helper.make_graph(
        model.graph.node, "network", inputs, model.graph.output, model.graph.initializer
    )
    for node in graph.node:
        for part in (node.input, node.output):
            part[:] = [names.get(name, name) for name in part]
    for output in graph.output:
        output.name = names[output.name]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    opset = helper.make_opsetid("", 13)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
