"""Our 4-bit weights against each mode of ONNX Runtime's MatMulNBits quantizer, on a language model.

Same groups, bits and matrices (embeddings stay in float on both sides), same tokens to calibrate with and to score.
Theirs runs in ONNX Runtime, ours in compiled libraries. Needs the packages onnx_ir and sympy, which ONNX Runtime's
quantizer imports. Its mode HQQ computes with torch, or where there is none, with numpy under torch's names; GPTQ computes
with numpy, and imports torch to tell its arrays.
"""

import argparse
import importlib.util
import json
import logging
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from lm import save_windows
from onnxruntime.quantization import CalibrationDataReader, matmul_nbits_quantizer
from timing import ROOT

import quantc
from quantc import language

OURS = ("w4-asym", "w4-hqq", "w4-gptq-asym", "w4-awq-gptq-asym")
MODES = ("default", "HQQ", "k_quant", "GPTQ")


class Windows(CalibrationDataReader):
    def __init__(self, tokens, count, window=256):
        # The quantizer copies its reader: no generator.
        self.windows = [tokens[None, i * window : (i + 1) * window].astype(np.int64) for i in range(count)]
        self.number = 0

    def get_next(self):
        if self.number == len(self.windows):
            return None
        self.number += 1
        return {"input_ids": self.windows[self.number - 1]}


class Tensor(np.ndarray):
    """An array with those of torch's methods that the mode HQQ calls; arithmetic is of float32 in both."""

    is_cuda, device = False, None

    def to(self, kind):
        return self.astype(kind)

    def float(self):
        return self.astype(np.float32)

    def int(self):
        return self.astype(np.int32)

    def contiguous(self):
        return self.copy(order="C")

    def cpu(self):
        return self

    def numpy(self):
        return np.asarray(self)

    def element_size(self):
        return self.itemsize

    def clamp(self, min=None, max=None):
        return self.clip(min, max)

    def min(self, axis, keepdim):
        return (np.asarray(self).min(axis, keepdims=keepdim).view(Tensor),)

    def max(self, axis, keepdim):
        return (np.asarray(self).max(axis, keepdims=keepdim).view(Tensor),)

    def __ior__(self, other):
        return np.bitwise_or(self, other, out=self, casting="unsafe")


def torch_of_numpy():
    """A module for the mode HQQ. Padding is for groups that do not divide K, which this model has not."""
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(is_available=lambda: False)
    torch.nn = types.SimpleNamespace(
        functional=types.SimpleNamespace(
            relu=lambda x: np.maximum(x, 0),
            pad=lambda x, by, mode, value: x if not any(by) else np.pad(x, ((0, 0), by)).view(Tensor),
        )
    )
    torch.float32, torch.uint8 = np.float32, np.uint8
    torch.sign, torch.abs, torch.pow, torch.round = np.sign, np.abs, np.power, np.round
    torch.mean = lambda x, axis, keepdim: x.mean(axis, keepdims=keepdim)
    torch.from_numpy = lambda x: x.view(Tensor)
    torch.zeros = lambda shape, dtype, device: np.zeros(shape, dtype).view(Tensor)
    return torch


def quantize_theirs(path, mode, block, calibration, count):
    config = {
        "default": lambda: matmul_nbits_quantizer.DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=False),
        "HQQ": lambda: matmul_nbits_quantizer.HQQWeightOnlyQuantConfig(block_size=block),
        "k_quant": matmul_nbits_quantizer.KQuantWeightOnlyQuantConfig,
        "GPTQ": lambda: matmul_nbits_quantizer.GPTQWeightOnlyQuantConfig(
            calibration_data_reader=Windows(calibration, count), block_size=block, actorder=True
        ),
    }[mode]()
    # Where there is no torch: in GPTQ all arrays are numpy's anyway.
    sys.modules.pop("torch", None)
    if mode in ("HQQ", "GPTQ") and not importlib.util.find_spec("torch"):
        sys.modules["torch"] = torch_of_numpy() if mode == "HQQ" else types.ModuleType("torch")
    quantizer = matmul_nbits_quantizer.MatMulNBitsQuantizer(
        onnx.load(path), bits=4, block_size=block, is_symmetric=False, algo_config=config
    )
    quantizer.process()
    model = quantizer.model.model
    nodes = [node for node in model.graph.node if node.op_type == "MatMulNBits"]
    blocks = {a.i for node in nodes for a in node.attribute if a.name == "block_size"}
    return model, f"{len(nodes)} matrices, groups of {', '.join(map(str, sorted(blocks)))}"


def score_theirs(model, tokens, limit):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    loss, count = 0.0, 0
    for ids, following, _ in language.windows(tokens, limit=limit):
        logits = session.run(["logits"], {"input_ids": ids})[0][0].astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        chosen = logits[np.arange(len(following)), following] - np.log(np.exp(logits).sum(-1))
        loss, count = loss - chosen.sum(), count + len(following)
    return float(np.exp(loss / count))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT.parent / "shared" / "lm" / "model.onnx")
    parser.add_argument("--group", type=int, default=64)
    parser.add_argument("--windows", type=int, default=0, help="score so many windows only")
    parser.add_argument("--calibration-windows", type=int, default=64)
    parser.add_argument("--ours", nargs="*", default=OURS)
    parser.add_argument("--modes", nargs="*", default=MODES)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    folder = args.model.parent
    test, calibration = (np.load(folder / f"{name}_tokens.npy") for name in ("test", "calib"))
    print("| weights | by | perplexity | quantized in, s | |")
    print("| --- | --- | --- | --- | --- |")
    for mode in args.modes:
        start = time.perf_counter()
        try:
            model, note = quantize_theirs(args.model, mode, args.group, calibration, args.calibration_windows)
        except Exception as error:  # What their modes cannot do is a result, too.
            print(f"| {mode} | ONNX Runtime | fails | | {type(error).__name__}: {str(error)[:120]} |", flush=True)
            continue
        seconds = time.perf_counter() - start
        perplexity = score_theirs(model, test, args.windows)
        print(f"| {mode} | ONNX Runtime {ort.__version__} | {perplexity:.3f} | {seconds:.1f} | {note} |", flush=True)
    with tempfile.TemporaryDirectory() as place:
        data = save_windows(calibration, args.calibration_windows, 256, place)
        for name in args.ours:
            recipe = json.dumps({"base": f"{name}-g{args.group}", "skip": ["embed", "cos", "sin"]})
            options = {"calibration": str(data)} if {"gptq", "awq", "clip"} & set(name.split("-")) else {}
            start = time.perf_counter()
            library = quantc.compile(str(args.model), output=f"{place}/{name}.so", quantize=recipe, **options)
            seconds = time.perf_counter() - start
            perplexity = language.evaluate(library, test, limit=args.windows).perplexity
            print(f"| `{name}-g{args.group}` | quantc | {perplexity:.3f} | {seconds:.1f} | compiled |", flush=True)


if __name__ == "__main__":
    main()
