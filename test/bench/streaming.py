"""Weights of gigabytes through the compiler: peak memory and time on a synthetic Llama.

Writes a decoder with random weights as external data (rotary positions and the cache by com.microsoft's
GroupQueryAttention), compiles it by the program quantc in 4 bits, and watches that process. What it holds in its own
memory (RssAnon) is apart from the pages of files that it reads: these the system takes back when it wants to. Then
some tokens are fed to the library. `--keep` leaves the files.
"""

import argparse
import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from timing import ROOT

from quantc import generation

# (layers, width, of which keys, gated width, words)
SIZES = {"tiny": (2, 256, 64, 512, 1000), "0.5B": (24, 1280, 256, 3456, 32000), "2B": (28, 2560, 640, 6912, 32000)}
HEAD = 64
POSITIONS = 256


class Builder:
    def __init__(self, folder):
        self.nodes, self.constants, self.folder = [], [], folder
        self.rng = np.random.default_rng(0)
        self.data = open(folder / "model.data", "wb")
        self.numbers = self.largest = 0

    def weight(self, name, *shape):
        """Random numbers in the data file; only one matrix is in memory."""
        array = self.rng.standard_normal(shape, np.float32)
        array *= shape[0] ** -0.5
        self.data.seek(-self.data.tell() % 4096, 1)
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "model.data"), ("offset", self.data.tell()), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        array.tofile(self.data)
        self.constants.append(tensor)
        self.numbers += array.size
        self.largest = max(self.largest, array.size)
        return name

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, kind, *inputs, outputs=None, **attributes):
        outputs = outputs or [f"{kind}_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))
        return outputs[0]


def write_model(folder, layers, width, keys, gated, words):
    g = Builder(folder)
    value = helper.make_tensor_value_info
    inputs, outputs = [value("input_ids", TensorProto.INT64, [1, "n"])], [value("logits", TensorProto.FLOAT, [1, "n", words])]
    for i in range(layers):
        for kind in "key", "value":
            for name, place, length in (("past_key_values", inputs, "past"), ("present", outputs, "total")):
                place.append(value(f"{name}.{i}.{kind}", TensorProto.FLOAT, [1, keys // HEAD, length, HEAD]))
    angles = np.outer(np.arange(POSITIONS), 10000.0 ** -(np.arange(0, HEAD, 2) / HEAD))
    cos, sin = (g.constant(f.__name__, f(angles).astype(np.float32)) for f in (np.cos, np.sin))
    length = g.op("Add", g.op("Shape", "past_key_values.0.key", start=2, end=3), g.op("Shape", "input_ids", start=1))
    last = g.op("Cast", g.op("Sub", length, g.constant("one", np.array([1]))), to=TensorProto.INT32)
    total = g.op("Cast", g.op("Squeeze", length), to=TensorProto.INT32)

    def norm(x, name):
        return g.op("RMSNormalization", x, g.constant(name, np.ones(width, np.float32)), axis=-1, epsilon=1e-5)

    def product(x, name, k, n):
        return g.op("MatMul", x, g.weight(name, k, n))

    x = g.op("Gather", g.weight("embed", words, width), "input_ids")
    for i in range(layers):
        y = norm(x, f"{i}.norm1")
        q, k, v = (product(y, f"{i}.{name}", width, n) for name, n in (("q", width), ("k", keys), ("v", keys)))
        past = [f"past_key_values.{i}.{kind}" for kind in ("key", "value")]
        results = [f"context.{i}", f"present.{i}.key", f"present.{i}.value"]
        heads = {"num_heads": width // HEAD, "kv_num_heads": keys // HEAD, "do_rotary": 1}
        y = g.op(
            "GroupQueryAttention", q, k, v, *past, last, total, cos, sin, outputs=results, domain="com.microsoft", **heads
        )
        x = g.op("Add", x, product(y, f"{i}.o", width, width))
        y = norm(x, f"{i}.norm2")
        gate, up = (product(y, f"{i}.{name}", width, gated) for name in ("gate", "up"))
        y = g.op("Mul", g.op("Mul", gate, g.op("Sigmoid", gate)), up)
        x = g.op("Add", x, product(y, f"{i}.down", gated, width))
    g.op("MatMul", norm(x, "norm"), g.weight("lm_head", width, words), outputs=["logits"])
    g.data.close()
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(g.nodes, "llama", inputs, outputs, g.constants)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=11), folder / "model.onnx")
    return g


def watch(command):
    """Seconds, and the most bytes that the process had of its own and in all."""
    start, own, all_bytes = time.perf_counter(), 0, 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            lines = (line.split() for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
            now = {line[0]: int(line[1]) for line in lines if line and line[0].startswith(("RssAnon", "VmHWM"))}
            own, all_bytes = max(own, now.get("RssAnon:", 0)), max(all_bytes, now.get("VmHWM:", 0))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    return time.perf_counter() - start, own * 1024, all_bytes * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="0.5B")
    parser.add_argument("--recipe", default="w4-asym-g32")
    parser.add_argument("--folder", type=Path, help="where the files go (2B: 10 GB)")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--quantc", default=str(ROOT / "build" / "bin" / "quantc"))
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        place = tempfile.mkdtemp(dir=args.folder)
        if not args.keep:
            stack.callback(shutil.rmtree, place)
        folder = Path(place)
        model = write_model(folder, *SIZES[args.size])
        library = folder / "model.so"
        command = [args.quantc, "compile", str(folder / "model.onnx"), f"--quantize={args.recipe}", "-o", str(library)]
        seconds, own, all_bytes = watch([*command, "--print-stats"])
        decoder = generation.Decoder(str(library))
        for token in range(8):
            logits = decoder.feed([token])
            first = decoder.seconds if token == 0 else first
        assert np.isfinite(logits).all()
        print("| numbers | model, GB | largest matrix, MB | library, MB | own memory, MB | with files, MB | s | token, ms |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        print(
            f"| {model.numbers / 1e9:.2f} · 10⁹ | {4 * model.numbers / 1e9:.2f} | {4 * model.largest / 1e6:.0f} "
            f"| {library.stat().st_size / 1e6:.0f} | {own / 1e6:.0f} | {all_bytes / 1e6:.0f} | {seconds:.0f} "
            f"| {1e3 * (decoder.seconds - first) / 7:.0f} |"
        )


if __name__ == "__main__":
    main()
