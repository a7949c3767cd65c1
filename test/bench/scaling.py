"""How costs grow: products of many sizes, and compile time by depth.

The rate of square and ragged products, in float and in integers, each over that
of the slower of its neighbours in size: below 0.7 is a cliff. Then the seconds
to compile encoders of 6 and 24 equal layers. `--update-docs` writes both tables
into docs/Benchmarks.md; with `--depths` the second one alone.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from bench import processor
from integer import MatMul
from onnx import TensorProto, helper, numpy_helper
from timing import ROOT, once, replace_section

import quantc

HEADING = "\n## Sizes\n"
# The second table's text begins so.
DEPTHS = "Encoders of equal layers"
SIZES = (64, 67, 96, 101, 128, 131, 192, 256, 257, 384, 509, 512, 768, 1021, 1024, 1536, 2048, 3072, 4096)
# Primes and thin shapes, and the even size beside each.
RAGGED = (
    ((127, 768, 768), (128, 768, 768)),
    ((128, 769, 768), (128, 768, 768)),
    ((128, 768, 769), (128, 768, 768)),
    ((131, 523, 521), (128, 512, 512)),
    ((7, 768, 768), (8, 768, 768)),
    ((768, 7, 768), (768, 8, 768)),
    ((768, 768, 7), (768, 768, 8)),
)
CLIFF = 0.7


def rate(case, kind, seconds, folder):
    """GOP/s of one thread, by `quantc bench`: a call from Python costs as much as the smallest products."""
    node, constants, shape, result = getattr(case, kind)(np.random.default_rng(0))
    element = TensorProto.UINT8 if kind == "integer" else TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", element, result)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    library = Path(folder) / "product.so"
    quantc.compile(model, output=library)
    runs = int(np.clip(seconds * 5e10 / case.work, 5, 20000))
    command = [ROOT / "build" / "bin" / "quantc", "bench", library, "--threads=1", f"--runs={runs}"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return 2e-6 * case.work / float(re.search(r"median ([\d.]+) ms", text)[1])


def shares(rates):
    """Each rate over the lower one of its neighbours."""
    for i, own in enumerate(rates):
        around = [rates[j] for j in (i - 1, i + 1) if 0 <= j < len(rates)]
        yield own / min(around)


def sweep(seconds, folder):
    cases = [MatMul(n, n, n) for n in SIZES]
    rates = {kind: [rate(case, kind, seconds, folder) for case in cases] for kind in ("float", "integer")}
    marks = {kind: list(shares(values)) for kind, values in rates.items()}
    for i, case in enumerate(cases):
        yield [f"{case.m}", *(f"{rates[k][i]:.0f}" for k in rates), *(f"{marks[k][i]:.2f}" for k in rates)]
    for ragged, even in RAGGED:
        own, other = ({k: rate(MatMul(*size), k, seconds, folder) for k in rates} for size in (ragged, even))
        name = " x ".join(map(str, ragged))
        yield [name, *(f"{r:.0f}" for r in own.values()), *(f"{own[k] / other[k]:.2f}" for k in rates)]


def encoder(layers, width, tokens=128):
    """An encoder in ONNX as transformers export it: equal layers, other weights."""
    rng = np.random.default_rng(0)
    nodes, constants, heads = [], [], width // 64

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(op, inputs, name, **attributes):
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def linear(x, name, k, n):
        weights = constant(name + ".weight", (rng.standard_normal((k, n)) * 0.02).astype(np.float32))
        bias = constant(name + ".bias", (rng.standard_normal(n) * 0.02).astype(np.float32))
        return node("Add", [node("MatMul", [x, weights], name + ".product"), bias], name)

    def normalize(x, name):
        scale, bias = (constant(f"{name}.{part}", rng.standard_normal(width).astype(np.float32)) for part in "sb")
        return node("LayerNormalization", [x, scale, bias], name, axis=-1)

    split, joined = constant("split", np.array([1, tokens, heads, 64])), constant("joined", np.array([1, tokens, width]))
    eight, half, one, root = (constant(f"c{c}", np.float32(c)) for c in (8, 0.5, 1, 2**0.5))
    x = "x"
    for i in range(layers):
        p = f"layer.{i}."
        q, k, v = (
            node(
                "Transpose",
                [node("Reshape", [linear(x, p + t, width, width), split], p + t + ".heads")],
                p + t + ".turned",
                perm=[0, 2, 3, 1] if t == "k" else [0, 2, 1, 3],
            )
            for t in "qkv"
        )
        scores = node("Div", [node("MatMul", [q, k], p + "scores"), eight], p + "scaled")
        mixed = node("MatMul", [node("Softmax", [scores], p + "softmax", axis=-1), v], p + "mixed")
        mixed = node("Reshape", [node("Transpose", [mixed], p + "back", perm=[0, 2, 1, 3]), joined], p + "joined")
        x = normalize(node("Add", [x, linear(mixed, p + "out", width, width)], p + "sum1"), p + "norm1")
        up = linear(x, p + "up", width, 4 * width)
        gate = node("Add", [node("Erf", [node("Div", [up, root], p + "div")], p + "erf"), one], p + "gate")
        gelu = node("Mul", [node("Mul", [up, gate], p + "gated"), half], p + "gelu")
        x = normalize(node("Add", [x, linear(gelu, p + "down", 4 * width, width)], p + "sum2"), p + "norm2")
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, tokens, width])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, tokens, width])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def compile_encoders(depths, width, runs):
    """By number of layers: median seconds of compiling in turns, and the library's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {layers: Path(folder) / f"{layers}.onnx" for layers in depths}
        for layers, path in paths.items():
            onnx.save(encoder(layers, width), path)
        library = Path(folder) / "encoder.so"
        # To replace a library takes as long as that one is large.
        seconds, sizes = {layers: [] for layers in depths}, {}
        for _ in range(runs):
            for layers, path in paths.items():
                seconds[layers].append(once(lambda: quantc.compile(path, output=library)))
                sizes[layers] = library.stat().st_size
                library.unlink()
    return {layers: (statistics.median(seconds[layers]), sizes[layers]) for layers in depths}


def product_section(products):
    lines = [
        "",
        "Square products of one thread, and ragged ones (`test/bench/scaling.py`): GOP/s, and each rate over the lower one",
        f"of its neighbours' (for ragged ones, that of the next even size). Below {CLIFF} would be a cliff.",
        "",
        "| size | f32 GOP/s | int8 GOP/s | f32 share | int8 share |",
        "| --- | ---: | ---: | ---: | ---: |",
        *("| " + " | ".join(row) + " |" for row in products),
    ]
    return "\n".join(lines) + "\n"


def depth_section(depths):
    lines = [
        "",
        f"{DEPTHS} (width 384, 128 tokens), compiled on {processor()}. Equal layers share their",
        "code. What grows is the way there, op by op, and the weights' way into the library.",
        "",
        "| layers | seconds | library |",
        "| ---: | ---: | ---: |",
        *(f"| {layers} | {seconds:.2f} | {size / 1e6:.1f} MB |" for layers, (seconds, size) in depths.items()),
        "",
        f"24 layers take {depths[24][0] / depths[6][0]:.2f} times as long as 6.",
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each product")
    parser.add_argument("--runs", type=int, default=3, help="of each compilation")
    parser.add_argument("--depths", action="store_true", help="compile encoders only")
    parser.add_argument("--update-docs", action="store_true", help="write docs/Benchmarks.md")
    args = parser.parse_args()
    page, products = ROOT / "docs" / "Benchmarks.md", []
    if not args.depths:
        with tempfile.TemporaryDirectory() as folder:
            for row in sweep(args.seconds, folder):
                products.append(row)
                print("{:18}{:>8}{:>8}{:>8}{:>8}".format(*row), flush=True)
    depths = compile_encoders((6, 24), 384, args.runs)
    for layers, (seconds, size) in depths.items():
        print(f"{layers} layers: {seconds:.2f} s, {size / 1e6:.1f} MB")
    if args.update_docs:
        before = page.read_text().partition(HEADING)[2].partition("\n" + DEPTHS)[0] if args.depths else product_section(products)
        replace_section(page, HEADING, before + depth_section(depths))


if __name__ == "__main__":
    main()
