#!/usr/bin/env python3
"""Exported models in ONNX Runtime against our library of the same recipe.

For each model and each form of `quantc export`: the largest relative difference
of an output (for integers the share that differs), and how many products of the
exported model ONNX Runtime multiplies as integers and as floats, after its
optimizations.

    test/bench/exports.py [--models DIR] [--quantize w8a8] [--forms ...] [names...]
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort
from accuracy import NAMES
from agreement import difference
from timing import ROOT

import quantc
from real_models import MODELS

FORMS = {"default": {}, "qdq": {"qdq": True}, "integer-ops": {"integer_ops": True}}
INTEGERS = {"QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat", "MatMulInteger", "ConvInteger"}
FLOATS = {"Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm", "FusedGemm"}


def count_products(graph):
    integers = floats = 0
    for node in graph.node:
        integers += node.op_type in INTEGERS
        floats += node.op_type in FLOATS
        for attribute in node.attribute:
            more = count_products(attribute.g)
            integers, floats = integers + more[0], floats + more[1]
    return integers, floats


def load(path, optimized):
    """A session, which writes what its optimizations make of the model."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure(model, path, recipe, forms, count, folder):
    feeds = [feed for _, feed in itertools.islice(model.feeds(), count)]
    options = {"quantize": recipe}
    if "a8" in recipe and "dynamic" not in recipe:
        options["stats"] = folder / "model.stats"
        quantc.calibrate(path, feeds[:1], options["stats"])
    outputs = [quantc.compile(path, **options).run(feed) for feed in feeds]
    for form in forms:
        exported, optimized = folder / "exported.onnx", folder / "optimized.onnx"
        try:
            quantc.export(path, exported, **options, **FORMS[form])
            session = load(exported, optimized)
            worst = max(difference(ours, session.run(None, feed)) for ours, feed in zip(outputs, feeds))
        except Exception as error:
            yield str(error).strip().splitlines()[0][:60]
            continue
        integers, floats = count_products(onnx.load(optimized, load_external_data=False).graph)
        yield f"{worst:.1e} ({integers} / {floats})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []])
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--quantize", default="w8a8")
    parser.add_argument("--forms", nargs="*", choices=list(FORMS), default=list(FORMS))
    parser.add_argument("--feeds", type=int, default=3, help="inputs to compare with, of all sizes in turn")
    args = parser.parse_args()
    print(f"| `{args.quantize}` | " + " | ".join(args.forms) + " |")
    print("|" + " --- |" * (len(args.forms) + 1))
    for name in args.names or NAMES:
        path = MODELS[name].path({"models": args.models})
        with tempfile.TemporaryDirectory() as folder:
            cells = measure(MODELS[name], path, args.quantize, args.forms, args.feeds, Path(folder))
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
