"""Models as ONNX Runtime's quantizer makes them, against ONNX Runtime on the same file.

For each float model of the set and each form: the largest relative difference of
an output, from ONNX Runtime with its optimizations and without. Where the two
differ from each other, one integer that rounds otherwise was amplified, or its
integer kernels saturated (`session.x64quantprecision` does not reach all of them).
"""

import argparse
import itertools
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from accuracy import flatten_biases
from onnx import numpy_helper
from timing import ROOT

import quantc
import test_quantized_models as quantized_models
from real_models import MODELS, reference
from test_real_models import locate

NAMES = (
    "mnist-conv espcn-subpixel espcn-resize ppocr-cls ppocr-v4-rec ppocr-v4-det "
    "minilm-l3 magika silero-vad-static silero-vad silero-vad-seq"
).split()
SIGNED = {
    "qdq-s8s8": dict(format="QDQ", activation="QInt8", weight="QInt8"),
    "qdq-s8s8-channels": dict(format="QDQ", activation="QInt8", weight="QInt8", per_channel=True),
    "qoperator-s8s8": dict(format="QOperator", activation="QInt8", weight="QInt8"),
}
quantized_models.FORMS.update(SIGNED)


def difference(outputs, expected):
    """The largest relative one; for integers the share that differs."""
    worst = 0.0
    for out, ref in zip(outputs, expected, strict=True):
        out = np.asarray(out)
        if out.dtype.kind in "iub":
            worst = max(worst, float((out != ref).mean()))
        else:
            size = max(np.linalg.norm(ref.astype(np.float64)), 1e-30)
            worst = max(worst, float(np.linalg.norm(out.astype(np.float64) - ref) / size))
    return worst


PRODUCTS = {"Conv", "ConvTranspose", "MatMul", "Gemm", "LSTM", "GRU"}


def float_products(graph, quantized=frozenset()):
    """Nodes that multiply what is no quantized value, bodies included."""
    quantized = quantized | {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    return sum(n.op_type in PRODUCTS and not quantized.issuperset(n.input[:2]) for n in graph.node) + sum(
        float_products(a.g, quantized) for n in graph.node for a in n.attribute if a.HasField("g")
    )


def float_products_left(path, folder):
    """The same of our graph of integers."""
    bin_dir = ROOT / "build" / "bin"
    text = folder / "model.mlir"
    subprocess.run([bin_dir / "quantc", "compile", path, "--emit=import", "-o", text], check=True, capture_output=True)
    command = [bin_dir / "quant-opt", text, "--qnn-optimize=verify-folded", "--mlir-elide-elementsattrs-if-larger=8"]
    graph = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    products = [line for line in graph.splitlines() if "qnn.matmul" in line or "qnn.conv" in line]
    return sum("i32" not in line.split("->")[-1] for line in products)


def nudge(path, seed):
    """The model with the last bits of its float constants changed, but for scales."""
    model = onnx.load(str(path))
    scales = {
        name
        for node in model.graph.node
        if "Linear" in node.op_type or "Integer" in node.op_type or node.op_type == "Resize"
        for name in node.input
    }
    rng = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1 and tensor.name not in scales:
            towards = np.where(rng.random(values.shape) < 0.5, -np.inf, np.inf).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(np.nextafter(values, towards), tensor.name))
    result = path.with_name(f"nudged{seed}.onnx")
    onnx.save(model, result)
    return result


def try_reference(path, optimized):
    try:
        return reference(path, optimized=optimized)
    except Exception:  # no kernel for some ops, or an optimization that fails
        return None


def measure(name, form, folder):
    """Ours from theirs, ours from theirs without optimizations, those two from each other, and the latter from itself
    nudged (NaN where it refuses); products of floats."""
    model = MODELS[name]
    feeds = [feed for _, feed in itertools.islice(model.feeds(), 3)]
    prepared = quantized_models.prepare(locate(model), folder)
    flatten_biases(prepared)
    path = quantized_models.quantize(prepared, feeds, form, folder)
    library = quantc.compile(path)
    oracles = [try_reference(path, True), try_reference(path, False)]
    oracles += [try_reference(nudge(path, seed), False) for seed in range(3)]
    worst = np.zeros(4)
    for feed in feeds:
        ours = library.run(feed)
        theirs, plain, *nudged = (oracle and oracle(feed) for oracle in oracles)
        pairs = [(ours, theirs), (ours, plain), (plain, theirs), *((moved, plain) for moved in nudged)]
        found = [np.nan if None in pair else difference(*pair) for pair in pairs]
        worst = np.maximum(worst, [*found[:3], max(found[3:])])
    return *worst, float_products(onnx.load(str(path)).graph), float_products_left(path, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--forms", nargs="*", default=list(quantized_models.FORMS))
    args = parser.parse_args()
    print(f"{'model':20}{'form':26}{'ours':>10}{'plain':>10}{'each other':>12}{'nudged':>10}{'floats':>8}{'left':>6}", flush=True)
    for name, form in itertools.product(args.names, args.forms):
        with tempfile.TemporaryDirectory() as folder:
            try:
                *differences, floats, left = measure(name, form, Path(folder))
            except Exception as error:  # The quantizer and ONNX Runtime refuse some.
                print(f"{name:20}{form:26}{str(error).strip().splitlines()[0][:80]}", flush=True)
                continue
        columns = ["-" if np.isnan(d) else f"{d:.1e}" for d in differences]
        own, plain, other, nudged = columns
        print(f"{name:20}{form:26}{own:>10}{plain:>10}{other:>12}{nudged:>10}{floats:8}{left:6}", flush=True)


if __name__ == "__main__":
    main()
