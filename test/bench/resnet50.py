"""A model with the shape of ResNet-50 and random weights, for benchmarks.

The bottleneck network of He et al. (arXiv 1512.03385), with batch norms already
folded into the convolutions, as an exporter leaves it for inference.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Blocks of each stage, and the width of their 3x3 convolutions.
STAGES = [(3, 64), (4, 128), (6, 256), (3, 512)]
EXPANSION = 4


class Builder:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights = [], []

    def weight(self, name, *shape, scale):
        array = (scale * self.rng.standard_normal(shape)).astype(np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [f"{name}:0"], name=name, **attributes))
        return f"{name}:0"

    def conv(self, x, name, channels, filters, size, stride=1):
        scale = (2 / (channels * size * size)) ** 0.5
        kernel = self.weight(f"{name}.weight", filters, channels, size, size, scale=scale)
        bias = self.weight(f"{name}.bias", filters, scale=0.01)
        pads = [size // 2] * 4
        return self.node("Conv", [x, kernel, bias], name, kernel_shape=[size, size], strides=[stride] * 2, pads=pads)

    def block(self, x, name, channels, width, stride):
        out = width * EXPANSION
        y = self.node("Relu", [self.conv(x, f"{name}.conv1", channels, width, 1)], f"{name}.relu1")
        y = self.node("Relu", [self.conv(y, f"{name}.conv2", width, width, 3, stride)], f"{name}.relu2")
        y = self.conv(y, f"{name}.conv3", width, out, 1)
        if channels != out:
            x = self.conv(x, f"{name}.shortcut", channels, out, 1, stride)
        return self.node("Relu", [self.node("Add", [y, x], f"{name}.add")], f"{name}.relu3")


def build(path, seed=50):
    b = Builder(seed)
    x = b.node("Relu", [b.conv("image", "stem", 3, 64, 7, 2)], "stem.relu")
    x = b.node("MaxPool", [x], "stem.pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, (blocks, width) in enumerate(STAGES):
        for i in range(blocks):
            x = b.block(x, f"stage{stage}.{i}", channels, width, 2 if stage and not i else 1)
            channels = width * EXPANSION
    x = b.node("Flatten", [b.node("GlobalAveragePool", [x], "pool")], "flatten", axis=1)
    weight = b.weight("fc.weight", 1000, channels, scale=0.01)
    bias = b.weight("fc.bias", 1000, scale=0.01)
    b.nodes.append(helper.make_node("Gemm", [x, weight, bias], ["scores"], name="fc", transB=1))
    graph = helper.make_graph(
        b.nodes,
        "resnet50",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 224, 224])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 1000])],
        b.weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
