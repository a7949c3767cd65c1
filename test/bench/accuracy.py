#!/usr/bin/env python3
"""What static 8-bit quantization costs, ours beside ONNX Runtime's.

For each float model, the same calibration data goes to `quantc.compile(...,
quantize=...)` and to `onnxruntime.quantization.quantize_static` (QDQ, u8
activations, s8 weights per channel). The numbers are signal to quantization
noise ratios in dB against the float model, over data that nobody has seen.

    test/bench/accuracy.py [--models DIR] [--digits] [names...]
"""

import argparse
import contextlib
import io
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.version_converter
from timing import ROOT

import quantc
from real_models import MODELS, reference

# Sizes to calibrate and to test with, where a model has several.
SIZES = {
    "minilm-l3": (1, 64),
    "ppocr-cls": (1, 48, 192),
    "ppocr-v4-rec": (1, 48, 320),
    "ppocr-v4-det": (1, 160, 256),
    "silero-vad-seq": (7,),
    "silero-vad": (1, 576, 16000),
    "magika": (1,),
    "smollm2-135m-l2": (32,),
}
NAMES = [
    "mnist-conv",
    "espcn-subpixel",
    "espcn-resize",
    "minilm-l3",
    "ppocr-cls",
    "ppocr-v4-rec",
    "ppocr-v4-det",
    "silero-vad-static",
    "silero-vad-seq",
    "silero-vad",
    "magika",
    "smollm2-135m-l2",
]
RANGES = ["minmax", "percentile99.99", "entropy", "mse"]


def sqnr(references, outputs):
    """In dB; the outputs of all runs count as one signal."""
    signal = sum(float(np.sum(np.square(r, dtype=np.float64))) for r in references)
    noise = sum(
        float(np.sum(np.square(r.astype(np.float64) - o))) for r, o in zip(references, outputs, strict=True)
    )
    return np.inf if noise == 0 else 10 * np.log10(signal / noise)


def make_feeds(name, count, seed):
    model = MODELS[name]
    size = SIZES.get(name, model.sizes[0])
    rng = np.random.default_rng(seed)
    return [model.feed(rng, size) for _ in range(count)]


def main_output(run):
    """The largest output of floats: others follow from it, or are states."""
    return lambda feed: max((o for o in run(feed) if o.dtype.kind == "f"), key=np.size)


def hide_constants(model):
    """Weights that are inputs, too, as old exporters wrote them, stay in float."""
    constants = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def flatten_biases(path):
    """Drops the leading 1 of a Gemm's bias [1, n].

    Its optimizer makes such from a MatMul and an Add, and its quantizer, which
    takes each index of the first dimension for a channel, then compares a row
    with a number: "The truth value of an array ... is ambiguous".
    """
    model = onnx.load(str(path))
    biases = {n.input[2] for n in model.graph.node if n.op_type == "Gemm" and len(n.input) > 2}
    for bias in model.graph.initializer:
        if bias.name in biases and len(bias.dims) == 2 and bias.dims[0] == 1:
            del bias.dims[0]
    for info in list(model.graph.value_info):
        if info.name in biases:
            model.graph.value_info.remove(info)
    onnx.save(model, str(path))


def quantize_theirs(path, feeds, method, folder):
    """The model that ONNX Runtime's quantizer makes."""
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            self.rest = iter(feeds)

        def get_next(self):
            return next(self.rest, None)

    prepared, result = folder / "prepared.onnx", folder / f"{method}.onnx"
    # It logs much, and prints, too.
    logging.getLogger().setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        if not prepared.exists():
            # Scales along an axis need opset 13, which it does not see to.
            model = onnx.load(str(path))
            if model.opset_import[0].version < 13:
                model = onnx.version_converter.convert_version(model, 17)
            hide_constants(model)
            source = folder / "source.onnx"
            onnx.save(model, str(source))
            # It leaves files where it runs when it fails.
            with contextlib.chdir(folder):
                try:
                    quant_pre_process(source.name, prepared.name)
                except Exception:  # symbolic shapes that it cannot follow
                    quant_pre_process(source.name, prepared.name, skip_symbolic_shape=True)
            flatten_biases(prepared)
        q.quantize_static(
            str(prepared),
            str(result),
            Reader(),
            quant_format=q.QuantFormat.QDQ,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            per_channel=True,
            calibrate_method=getattr(q.CalibrationMethod, method),
        )
    return result


def theirs(path, calibration, feeds, references, folder):
    """What each of its methods gives, and why some give nothing."""
    results, errors = {}, {}
    for method in ("MinMax", "Entropy", "Percentile"):
        try:
            model = quantize_theirs(path, calibration, method, folder)
            if not any(n.op_type == "QuantizeLinear" for n in onnx.load(str(model)).graph.node):
                errors[method] = "it quantizes nothing"  # all is in branches
                continue
            results[method] = sqnr(references, map(main_output(reference(model)), feeds))
        except Exception as error:  # its quantizer's, or its session's
            errors[method] = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
    return results, errors


def ours(path, calibration, feeds, references, ranges):
    results = {}
    for method in ranges:
        name = "w8a8" if method == "minmax" else f"w8a8-{method}"
        try:
            model = quantc.compile(path, quantize=name, calibration=calibration)
            results[method] = sqnr(references, map(main_output(model.run), feeds))
        except quantc.CompileError as error:
            print(f"  {name}: {str(error)[:300]}", file=sys.stderr)
    return results


def best(results, errors=None):
    if not results:
        return "; ".join(sorted(set(errors.values()))) if errors else "none"
    name = max(results, key=results.get)
    return f"{results[name]:.1f} ({name})"


def digits(models):
    """Accuracy of the MNIST network on scikit-learn's digits, enlarged."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.kron(data.images, np.ones((3, 3)))  # 8 x 8 to 24 x 24
    images = np.pad(images, ((0, 0), (2, 2), (2, 2))) * (255 / 16)
    images = images.astype(np.float32)[:, None, None]
    path = models / "mnist-conv.onnx"
    calibration = [{"Input3": image} for image in images[:200]]
    rest = images[200:]

    def accuracy(run):
        hits = [int(np.argmax(run({"Input3": i})[0])) == t for i, t in zip(rest, data.target[200:])]
        return 100 * float(np.mean(hits))

    float_accuracy = accuracy(reference(path))
    quantized = accuracy(quantc.compile(path, quantize="w8a8", calibration=calibration).run)
    print(f"MNIST network on {len(rest)} digits: {float_accuracy:.2f} % in float, {quantized:.2f} % in w8a8")
    return quantized >= float_accuracy - 0.5


def cosine(models):
    """Sentence embeddings: the mean over tokens, as the encoder is used."""
    path = models / "minilm-l3.onnx"
    model = quantc.compile(path, quantize="w8a8", calibration=make_feeds("minilm-l3", 16, 1))
    oracle = reference(path)
    values = []
    for feed in make_feeds("minilm-l3", 16, 2):
        a, b = (np.mean(main_output(run)(feed), axis=1).ravel() for run in (model.run, oracle))
        values.append(float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))))
    print(f"MiniLM sentence cosine: least {min(values):.4f}, mean {np.mean(values):.4f}")
    return min(values) >= 0.99


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models (default: all)")
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--samples", type=int, default=16, help="to calibrate with, and to test")
    parser.add_argument("--ranges", nargs="+", default=RANGES, help="our range methods, or other parts of names")
    parser.add_argument("--alone", action="store_true", help="without ONNX Runtime's quantizer")
    parser.add_argument("--digits", action="store_true", help="also the accuracy on digits (scikit-learn)")
    args = parser.parse_args()
    ok = True
    print("| model | ours (dB) | ONNX Runtime's (dB) | all of ours | all of theirs |\n|---|---|---|---|---|")
    for name in args.names or NAMES:
        path = MODELS[name].path({"models": args.models})
        calibration, feeds = (make_feeds(name, args.samples, seed) for seed in (1, 2))
        references = list(map(main_output(reference(path)), feeds))
        with tempfile.TemporaryDirectory() as folder:
            a = ours(path, calibration, feeds, references, args.ranges)
            b, errors = ({}, {}) if args.alone else theirs(path, calibration, feeds, references, Path(folder))
        ok &= bool(a) and (not b or max(a.values()) >= max(b.values()))
        rest = [", ".join(f"{k} {v:.1f}" for k, v in r.items()) for r in (a, b)]
        print(f"| {name} | {best(a)} | {best(b, errors)} | {rest[0]} | {rest[1]} |", flush=True)
    if not args.names or "minilm-l3" in args.names:
        ok &= cosine(args.models)
    if args.digits:
        ok &= digits(args.models)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
