"""Integer products against our own float code and against ONNX Runtime.

Each case is one layer: u8 activations, s8 weights with a scale a column, and a
requantized u8 result; ours from the same ONNX model as theirs. Prints a table
of ratios; `--update-docs` writes it into docs/Benchmarks.md.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from timing import INTEGER_HEADING, ROOT, interleaved, onnx_runtime, replace_section

import quantc


def quantized_normal(rng, shape, axis):
    """8-bit weights as a quantizer makes them of normally distributed ones: the largest of a channel is 127."""
    weights = rng.standard_normal(shape, np.float32)
    largest = np.abs(weights).max(axis=tuple(i for i in range(len(shape)) if i != axis), keepdims=True)
    return np.rint(weights / largest * 127).astype(np.int8)


@dataclasses.dataclass(frozen=True)
class MatMul:
    m: int
    k: int
    n: int

    @property
    def name(self):
        return f"GEMM {self.m} x {self.k} x {self.n}"

    @property
    def work(self):
        return self.m * self.k * self.n

    def integer(self, rng):
        constants = {
            "sx": np.float32(0.02),
            "zx": np.uint8(120),
            "w": quantized_normal(rng, (self.k, self.n), axis=1),
            "sw": (rng.random(self.n) * 0.01 + 0.001).astype(np.float32),
            "zw": np.zeros(self.n, np.int8),
            "sy": np.float32(0.3),
            "zy": np.uint8(128),
        }
        node = helper.make_node("QLinearMatMul", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"], ["y"])
        return node, constants, (self.m, self.k), (self.m, self.n)

    def float(self, rng):
        constants = {"w": rng.standard_normal((self.k, self.n), np.float32)}
        return helper.make_node("MatMul", ["x", "w"], ["y"]), constants, (self.m, self.k), (self.m, self.n)


@dataclasses.dataclass(frozen=True)
class Conv:
    channels: int
    filters: int
    image: int
    kernel: int
    group: int = 1

    @property
    def name(self):
        kind = "depthwise" if self.group > 1 else "conv"
        return f"{kind} {self.kernel}x{self.kernel} {self.image}² {self.channels} -> {self.filters}"

    @property
    def work(self):
        return self.image**2 * self.filters * self.channels // self.group * self.kernel**2

    @property
    def shapes(self):
        return (1, self.channels, self.image, self.image), (1, self.filters, self.image, self.image)

    def attributes(self):
        return {"pads": [self.kernel // 2] * 4, "group": self.group}

    def weights(self):
        return (self.filters, self.channels // self.group, self.kernel, self.kernel)

    def integer(self, rng):
        constants = {
            "sx": np.float32(0.02),
            "zx": np.uint8(120),
            "w": quantized_normal(rng, self.weights(), axis=0),
            "sw": (rng.random(self.filters) * 0.01 + 0.001).astype(np.float32),
            "zw": np.zeros(self.filters, np.int8),
            "sy": np.float32(0.3),
            "zy": np.uint8(128),
            "b": rng.integers(-1000, 1000, self.filters).astype(np.int32),
        }
        names = ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "b"]
        return helper.make_node("QLinearConv", names, ["y"], **self.attributes()), constants, *self.shapes

    def float(self, rng):
        constants = {"w": rng.standard_normal(self.weights(), np.float32)}
        return helper.make_node("Conv", ["x", "w"], ["y"], **self.attributes()), constants, *self.shapes


CASES = [
    MatMul(128, 768, 768),
    MatMul(128, 3072, 768),
    MatMul(512, 512, 512),
    MatMul(1024, 1024, 1024),
    MatMul(1, 4096, 4096),
    Conv(64, 64, 56, 3),
    Conv(1024, 256, 14, 1),
    Conv(128, 128, 56, 3, group=128),
]


def build(parts, dtype, path):
    node, constants, shape, out_shape = parts
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, out_shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return shape


def measure(case, threads, seconds, folder, target):
    """Milliseconds of our integers, our floats and ONNX Runtime's integers."""
    rng = np.random.default_rng(0)
    integer, real = folder / "integer.onnx", folder / "float.onnx"
    shape = build(case.integer(rng), np.uint8, integer)
    build(case.float(rng), np.float32, real)
    ours = quantc.compile(str(integer), output=str(folder / "integer.so"), target=target)
    floats = quantc.compile(str(real), output=str(folder / "float.so"), target=target)
    ours.set_num_threads(threads)
    floats.set_num_threads(threads)
    theirs = onnx_runtime(integer, threads)
    x = rng.integers(0, 256, shape).astype(np.uint8)
    xf = x.astype(np.float32)
    ratio_int, ratio_float = interleaved(lambda: ours.run({"x": x}), lambda: floats.run({"x": xf}), seconds)
    own, other = interleaved(lambda: ours.run({"x": x}), lambda: theirs({"x": x}), seconds)
    # Everything in terms of one of the two runs.
    return 1e3 * own, 1e3 * ratio_float * own / ratio_int, 1e3 * other


def features():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            flags = line.partition(":")[2].split()
            return [f for f in ("avx2", "avx_vnni", "avx512_vnni", "amx_int8") if f in flags]
    return []


HEADER = ("layer", "threads", "int8 ms", "GOP/s", "f32 ms", "f32/int8", "ORT/int8")


def section(rows):
    lines = [
        "",
        f"One quantized layer each (`test/bench/integer.py`), on a processor with {', '.join(features())} which other jobs",
        "may have used as well: u8 activations, s8 weights with a scale a column, requantized. `f32/int8` is the time of",
        "our float code for the same layer over that of our integer code, `ORT/int8` the time of ONNX Runtime for the",
        "same integer model; above 1 our integer code is faster. ONNX Runtime's AVX2 kernel lets sums of two u8 by s8",
        "products saturate at 16 bits; ours are exact.",
        "",
        "| " + " | ".join(HEADER) + " |",
        "| --- |" + " ---: |" * (len(HEADER) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of cases")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each comparison")
    parser.add_argument("--threads", type=int, nargs="*", default=[1])
    parser.add_argument("--target", default="native", help="what our libraries are for")
    parser.add_argument("--update-docs", action="store_true", help="write docs/Benchmarks.md")
    args = parser.parse_args()
    print(f"features: {', '.join(features())}")
    line = "{:34}{:>8}{:>9}{:>9}{:>9}{:>10}{:>10}"
    print(line.format(*HEADER), flush=True)
    rows = []
    for case in CASES:
        if args.names and not any(name in case.name for name in args.names):
            continue
        for threads in args.threads:
            with tempfile.TemporaryDirectory() as folder:
                own, real, other = measure(case, threads, args.seconds, Path(folder), args.target)
            rate = 2e-6 * case.work / own
            rows.append((case.name, str(threads), f"{own:.3f}", f"{rate:.0f}", f"{real:.3f}", f"{real / own:.2f}",
                         f"{other / own:.2f}"))
            print(line.format(*rows[-1]), flush=True)
    if args.update_docs:
        replace_section(ROOT / "docs" / "Benchmarks.md", INTEGER_HEADING, section(rows))


if __name__ == "__main__":
    main()
