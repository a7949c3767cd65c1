"""A model with the shape of BERT-base's encoder and random weights, for benchmarks.

The encoder of Devlin et al. (arXiv 1810.04805) behind its embeddings, with the ops that an exporter writes at opset 17.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from resnet50 import Builder

LAYERS, WIDTH, HEADS, INNER = 12, 768, 12, 3072


class Encoder(Builder):
    def constant(self, name, values):
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def linear(self, x, name, inputs, outputs):
        weight = self.weight(f"{name}.weight", inputs, outputs, scale=inputs**-0.5)
        product = self.node("MatMul", [x, weight], f"{name}.product")
        return self.node("Add", [product, self.weight(f"{name}.bias", outputs, scale=0.01)], name)

    def normalize(self, x, y, name):
        scale = self.constant(f"{name}.scale", np.ones(WIDTH, np.float32))
        bias = self.weight(f"{name}.bias", WIDTH, scale=0.01)
        return self.node("LayerNormalization", [self.node("Add", [x, y], f"{name}.sum"), scale, bias], name)

    def heads(self, x, name, order):
        return self.node("Transpose", [self.node("Reshape", [x, "split"], f"{name}.heads")], f"{name}.turned", perm=order)

    def attend(self, x, name):
        q, k, v = (self.linear(x, f"{name}.{part}", WIDTH, WIDTH) for part in ("query", "key", "value"))
        scores = self.node(
            "MatMul",
            [self.heads(q, f"{name}.query", [0, 2, 1, 3]), self.heads(k, f"{name}.key", [0, 2, 3, 1])],
            f"{name}.scores",
        )
        weights = self.node("Softmax", [self.node("Mul", [scores, "scale"], f"{name}.scaled")], f"{name}.softmax", axis=-1)
        mixed = self.node("MatMul", [weights, self.heads(v, f"{name}.value", [0, 2, 1, 3])], f"{name}.mixed")
        turned = self.node("Transpose", [mixed], f"{name}.joined", perm=[0, 2, 1, 3])
        return self.linear(self.node("Reshape", [turned, "join"], f"{name}.flat"), f"{name}.output", WIDTH, WIDTH)

    def gelu(self, x, name):
        half = self.node("Mul", [x, "half"], f"{name}.half")
        erf = self.node("Erf", [self.node("Mul", [x, "root"], f"{name}.root")], f"{name}.erf")
        return self.node("Mul", [half, self.node("Add", [erf, "one"], f"{name}.plus")], name)


def build(path, seed=12):
    b = Encoder(seed)
    b.constant("split", [0, 0, HEADS, WIDTH // HEADS])
    b.constant("join", [0, 0, WIDTH])
    for name, value in {"scale": (WIDTH // HEADS) ** -0.5, "half": 0.5, "one": 1, "root": 0.5**0.5}.items():
        b.constant(name, np.float32(value))
    x = "embeddings"
    for i in range(LAYERS):
        x = b.normalize(x, b.attend(x, f"layer{i}.attention"), f"layer{i}.attention.norm")
        inner = b.gelu(b.linear(x, f"layer{i}.inner", WIDTH, INNER), f"layer{i}.gelu")
        x = b.normalize(x, b.linear(inner, f"layer{i}.outer", INNER, WIDTH), f"layer{i}.norm")
    sizes = ["batch", "tokens", WIDTH]
    graph = helper.make_graph(
        b.nodes,
        "bert-base",
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, sizes)],
        b.weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
