"""One product with low-bit weights against ONNX Runtime's MatMulNBits.

Prints microseconds of both, their ratio (below 1 we are faster), and the rate
at which our side reads weights and scales, as a part of the rate at which
numpy sums an array of the same size.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from timing import interleaved, once, onnx_runtime

import quantc
from test_weight_only import make_nbits


def read_rate(size):
    """Bytes a second at which this thread reads `size` bytes again and again."""
    data = np.ones(size // 8, np.float64)
    data.sum()
    return size / min(once(data.sum) for _ in range(20))


def measure(k, n, block, bits, rows, threads):
    model = make_nbits(k, n, block, bits, "none", [rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        onnx.save(model, path)
        theirs = onnx_runtime(path, threads)
        ours = quantc.compile(str(path), output=str(Path(folder) / "m.so"))
    ours.set_num_threads(threads)
    x = np.random.default_rng(0).standard_normal((rows, k)).astype(np.float32)
    return interleaved(lambda: ours.run({"x": x}), lambda: theirs({"x": x}), seconds=3)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bits", type=int, default=4)
    args = parser.parse_args()
    print("| rows x K x N | group | quantc, µs | ONNX Runtime, µs | ratio | GB/s | of numpy's sum |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for rows, k, n in ((1, 4096, 4096), (1, 4096, 11008), (32, 4096, 4096), (128, 4096, 4096)):
        for block in (32, 128):
            ours, theirs = measure(k, n, block, args.bits, rows, args.threads)
            size = k * n * args.bits // 8 + 4 * k // block * n
            rate = size / ours
            print(
                f"| {rows} x {k} x {n} | {block} | {ours * 1e6:.0f} | {theirs * 1e6:.0f} | {ours / theirs:.2f} "
                f"| {rate / 1e9:.1f} | {rate / read_rate(size):.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
