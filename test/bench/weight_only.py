"""One product with low-bit weights against ONNX Runtime's MatMulNBits.

Prints microseconds of both, their ratio (below 1 we are faster), and the rate at which our side reads weights and scales,
as a part of that of a loop in C which only reads as many bytes. `--single` measures products of one row only, in turns with
that loop, each as its best run: one that fits a cache and one that does not, beside no other engine.
"""

import argparse
import ctypes
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from timing import interleaved, once, onnx_runtime

import quantc
from test_weight_only import make_nbits


READ = """
#include <stddef.h>
typedef unsigned long long v8 __attribute__((vector_size(64)));
unsigned long long read_all(const v8 *data, size_t bytes) {
  v8 a = {0}, b = {0}, c = {0}, d = {0};
  for (size_t i = 0; i + 3 < bytes / 64; i += 4) {
    a |= data[i];
    b |= data[i + 1];
    c |= data[i + 2];
    d |= data[i + 3];
  }
  a |= b | c | d;
  return a[0] ^ a[7];
}
"""


def make_reader(size, folder):
    """A call that reads `size` bytes once."""
    source, library = Path(folder) / "read.c", Path(folder) / "read.so"
    if not library.exists():
        source.write_text(READ)
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library], check=True)
    read = ctypes.CDLL(str(library)).read_all
    read.restype = ctypes.c_ulonglong
    read.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    room = np.ones(size + 64, np.uint8)
    start = room.ctypes.data + -room.ctypes.data % 64
    return lambda: (read(start, size), room)


def compile_product(k, n, block, bits, rows, zero, folder):
    path = Path(folder) / "m.onnx"
    onnx.save(make_nbits(k, n, block, bits, zero, [rows]), path)
    library = Path(folder) / f"{k}-{n}-{block}-{zero}-{rows}.so"
    return path, quantc.compile(str(path), output=str(library))


def measure(k, n, block, bits, rows, threads, folder):
    path, ours = compile_product(k, n, block, bits, rows, "none", folder)
    theirs = onnx_runtime(path, threads)
    ours.set_num_threads(threads)
    x = np.random.default_rng(0).standard_normal((rows, k)).astype(np.float32)
    times = interleaved(lambda: ours.run({"x": x}), lambda: theirs({"x": x}), seconds=3)
    size = k * n * bits // 8 + 4 * k // block * n
    return *times, size, min(once(make_reader(size, folder)) for _ in range(20))


def measure_single(bits, folder):
    """Best of runs in turns with the loop that reads as much, on one thread."""
    print("| K x N | group | zero points | MB | quantc, µs | GB/s | a loop that reads, GB/s | part |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    x = np.random.default_rng(0).standard_normal((1, 4096)).astype(np.float32)
    for n, block, zero in ((4096, 64, "none"), (4096, 128, "none"), (4096, 64, "packed"), (65536, 128, "none")):
        ours = compile_product(4096, n, block, bits, 1, zero, folder)[1]
        ours.set_num_threads(1)
        size = ours.weight_bytes
        reader, times = make_reader(size, folder), ([], [])
        for _ in range(200 if n == 4096 else 20):
            for run, record in zip((lambda: ours.run({"x": x}), reader), times):
                run()
                record.extend(once(run) for _ in range(3))
        best, reading = map(min, times)
        print(
            f"| 4096 x {n} | {block} | {zero} | {size / 1e6:.1f} | {best * 1e6:.0f} | {size / best / 1e9:.1f} "
            f"| {size / reading / 1e9:.1f} | {reading / best:.2f} |",
            flush=True,
        )


def measure_beside(args, folder):
    print("| rows x K x N | group | quantc, µs | ONNX Runtime, µs | ratio | GB/s | of a loop that reads |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for rows, k, n in ((1, 4096, 4096), (1, 4096, 11008), (32, 4096, 4096), (128, 4096, 4096)):
        for block in (32, 128):
            ours, theirs, size, reading = measure(k, n, block, args.bits, rows, args.threads, folder)
            print(
                f"| {rows} x {k} x {n} | {block} | {ours * 1e6:.0f} | {theirs * 1e6:.0f} | {ours / theirs:.2f} "
                f"| {size / ours / 1e9:.1f} | {reading / ours:.2f} |",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--single", action="store_true", help="one row, beside a loop that only reads")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_single(args.bits, folder) if args.single else measure_beside(args, folder)


if __name__ == "__main__":
    main()
