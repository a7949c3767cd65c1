#!/usr/bin/env python3
"""Turns a llama-architecture GGUF file into an ONNX decoder in float.

    gguf_to_onnx.py IN.gguf OUT.onnx [--cache] [--layers N] [--vocabulary N]

    input_ids [1, seq]                              -> logits [1, seq, vocabulary]
    with --cache also past_k.I, past_v.I [1, heads, past, dim]
                            -> present_k.I, present_v.I [1, heads, total, dim]

Only opset 17 operators of the standard domain. The quantized weights become
float: this is a reference to compile (and later to quantize), not a packed model.
"""

import argparse

import numpy as np
import onnx
from gguf import GGUFReader, dequantize
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Collects nodes and initializers; every method returns value names."""

    def __init__(self):
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.constants = {}

    def weight(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def constant(self, value, dtype=np.int64):
        key = (np.dtype(dtype).name, str(value))
        if key not in self.constants:
            # ascontiguousarray would make a list of a scalar.
            tensor = numpy_helper.from_array(np.array(value, dtype), f"constant_{len(self.constants)}")
            self.initializers.append(tensor)
            self.constants[key] = tensor.name
        return self.constants[key]

    def node(self, kind, *inputs, name=None, output=None, **attributes):
        name = name or f"{kind}_{len(self.nodes)}"
        output = output or f"{name}:0"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, shape):
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


class Weights:
    """The tensors and settings of a GGUF file."""

    def __init__(self, path):
        reader = GGUFReader(path)
        field = lambda key: reader.fields[key].contents()
        if field("general.architecture") != "llama":
            raise SystemExit(f"{path}: the architecture is {field('general.architecture')}, not llama")
        self.tensors = {t.name: t for t in reader.tensors}
        self.layers = int(field("llama.block_count"))
        self.heads = int(field("llama.attention.head_count"))
        self.kv_heads = int(field("llama.attention.head_count_kv"))
        self.head_dim = int(field("llama.embedding_length")) // self.heads
        self.epsilon = float(field("llama.attention.layer_norm_rms_epsilon"))
        self.rope_base = float(field("llama.rope.freq_base"))

    def __contains__(self, name):
        return name in self.tensors

    def __getitem__(self, name):
        tensor = self.tensors[name]
        return dequantize(tensor.data, tensor.tensor_type).astype(np.float32)

    def rotary(self, name, heads):
        """Rows of a query or key projection: GGUF interleaves the two halves
        of each head that rotate together, we want one after the other."""
        m = self[name]
        return m.reshape(heads, self.head_dim // 2, 2, -1).swapaxes(1, 2).reshape(m.shape)


class Decoder:
    def __init__(self, weights, cached, layers, vocabulary, positions):
        self.w, self.g, self.cached = weights, Graph(), cached
        self.layers = layers or weights.layers
        self.positions = positions
        self.embedding = weights["token_embd.weight"][: vocabulary or None]

    def project(self, x, name, matrix):
        return self.g.node("MatMul", x, self.g.weight(f"{name}.weight", matrix.T), name=name)

    def norm(self, x, name, weight):
        g = self.g
        square = g.node("Pow", x, g.constant(2.0, np.float32))
        mean = g.node("ReduceMean", square, axes=[-1], keepdims=1)
        root = g.node("Sqrt", g.node("Add", mean, g.constant(self.w.epsilon, np.float32)))
        return g.node("Mul", g.node("Div", x, root), g.weight(f"{name}.weight", weight), name=name)

    def prologue(self):
        """Positions, rotation tables and the causal mask, all from run-time
        lengths, so that one graph serves every length."""
        g, w = self.g, self.w
        ids = g.input("input_ids", TensorProto.INT64, [1, "seq"])
        new = g.node("Gather", g.node("Shape", ids), g.constant(1), axis=0)
        past = g.constant(0)
        if self.cached:
            past = g.node("Gather", g.node("Shape", "past_k.0"), g.constant(2), axis=0)
        total = g.node("Add", past, new) if self.cached else new
        queries = g.node("Range", past, total, g.constant(1))
        keys = g.node("Range", g.constant(0), total, g.constant(1))
        half = w.head_dim // 2
        angles = np.outer(np.arange(self.positions), w.rope_base ** (-np.arange(half) / half))
        tables = np.tile(angles, 2)
        self.cos = g.node("Gather", g.weight("rope.cos", np.cos(tables).astype(np.float32)), queries, axis=0)
        self.sin = g.node("Gather", g.weight("rope.sin", np.sin(tables).astype(np.float32)), queries, axis=0)
        visible = g.node(
            "LessOrEqual",
            g.node("Unsqueeze", keys, g.constant([0])),
            g.node("Unsqueeze", queries, g.constant([1])),
        )
        self.mask = g.node("Where", visible, g.constant(0.0, np.float32), g.constant(-1e9, np.float32))
        # Each key and value head serves a group of query heads.
        length, dim = g.node("Unsqueeze", total, g.constant([0])), g.constant([w.head_dim])
        group = [1, w.kv_heads, w.heads // w.kv_heads]
        self.grouped = g.node("Concat", g.constant(group), length, dim, axis=0)
        self.flat = g.node("Concat", g.constant([1, w.heads]), length, dim, axis=0)
        return g.node("Gather", g.weight("token_embd.weight", self.embedding), ids, axis=0)

    def rotate(self, x):
        g, half = self.g, self.w.head_dim // 2
        low = g.node("Slice", x, g.constant([0]), g.constant([half]), g.constant([-1]))
        high = g.node("Slice", x, g.constant([half]), g.constant([2**62]), g.constant([-1]))
        turned = g.node("Concat", g.node("Neg", high), low, axis=-1)
        return g.node("Add", g.node("Mul", x, self.cos), g.node("Mul", turned, self.sin))

    def split_heads(self, x, heads):
        shaped = self.g.node("Reshape", x, self.g.constant([1, -1, heads, self.w.head_dim]))
        return self.g.node("Transpose", shaped, perm=[0, 2, 1, 3])

    def with_cache(self, x, part, layer):
        if not self.cached:
            return x
        g, w = self.g, self.w
        past = g.input(f"past_{part}.{layer}", TensorProto.FLOAT, [1, w.kv_heads, "past", w.head_dim])
        present = f"present_{part}.{layer}"
        g.output(present, [1, w.kv_heads, "total", w.head_dim])
        return g.node("Concat", past, x, axis=2, output=present)

    def repeat_heads(self, x):
        if self.w.heads == self.w.kv_heads:
            return x
        g = self.g
        wide = g.node("Expand", g.node("Unsqueeze", x, g.constant([2])), self.grouped)
        return g.node("Reshape", wide, self.flat)

    def attention(self, x, layer):
        g, w, block = self.g, self.w, f"blk.{layer}"
        query = self.project(x, f"{block}.attn_q", w.rotary(f"{block}.attn_q.weight", w.heads))
        key = self.project(x, f"{block}.attn_k", w.rotary(f"{block}.attn_k.weight", w.kv_heads))
        value = self.project(x, f"{block}.attn_v", w[f"{block}.attn_v.weight"])
        query = self.rotate(self.split_heads(query, w.heads))
        key = self.with_cache(self.rotate(self.split_heads(key, w.kv_heads)), "k", layer)
        value = self.with_cache(self.split_heads(value, w.kv_heads), "v", layer)
        key, value = self.repeat_heads(key), self.repeat_heads(value)
        scores = g.node("MatMul", query, g.node("Transpose", key, perm=[0, 1, 3, 2]), name=f"{block}.scores")
        scores = g.node("Mul", scores, g.constant(w.head_dim**-0.5, np.float32))
        weights = g.node("Softmax", g.node("Add", scores, self.mask), axis=-1)
        mixed = g.node("MatMul", weights, value, name=f"{block}.context")
        mixed = g.node("Transpose", mixed, perm=[0, 2, 1, 3])
        mixed = g.node("Reshape", mixed, g.constant([1, -1, w.heads * w.head_dim]))
        return self.project(mixed, f"{block}.attn_output", w[f"{block}.attn_output.weight"])

    def feed_forward(self, x, layer):
        g, w, block = self.g, self.w, f"blk.{layer}"
        gate = self.project(x, f"{block}.ffn_gate", w[f"{block}.ffn_gate.weight"])
        up = self.project(x, f"{block}.ffn_up", w[f"{block}.ffn_up.weight"])
        active = g.node("Mul", gate, g.node("Sigmoid", gate))
        return self.project(g.node("Mul", active, up), f"{block}.ffn_down", w[f"{block}.ffn_down.weight"])

    def build(self):
        g, w = self.g, self.w
        x = self.prologue()
        for layer in range(self.layers):
            block = f"blk.{layer}"
            normed = self.norm(x, f"{block}.attn_norm", w[f"{block}.attn_norm.weight"])
            x = g.node("Add", x, self.attention(normed, layer))
            normed = self.norm(x, f"{block}.ffn_norm", w[f"{block}.ffn_norm.weight"])
            x = g.node("Add", x, self.feed_forward(normed, layer))
        x = self.norm(x, "output_norm", w["output_norm.weight"])
        if "output.weight" in w:
            head = g.weight("output.weight", w["output.weight"][: len(self.embedding)].T)
        else:  # tied: one initializer serves both ends
            head = g.node("Transpose", "token_embd.weight", perm=[1, 0])
        g.node("MatMul", x, head, name="lm_head", output="logits")
        g.output("logits", [1, "seq", len(self.embedding)])
        g.outputs.insert(0, g.outputs.pop())
        graph = helper.make_graph(g.nodes, "decoder", g.inputs, g.outputs, g.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf")
    parser.add_argument("onnx")
    parser.add_argument("--cache", action="store_true", help="take and give the keys and values of all layers")
    parser.add_argument("--layers", type=int, default=0, help="only the first N blocks")
    parser.add_argument("--vocabulary", type=int, default=0, help="only the first N tokens")
    parser.add_argument("--positions", type=int, default=2048, help="length of the rotation tables")
    args = parser.parse_args()
    model = Decoder(Weights(args.gguf), args.cache, args.layers, args.vocabulary, args.positions).build()
    onnx.save(model, args.onnx)
    onnx.checker.check_model(args.onnx, full_check=True)


if __name__ == "__main__":
    main()
