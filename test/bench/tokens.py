"""Weights of 4 bits in groups, with float rows (w4a16) and with rows of 8 bits that have a scale each (w4a8).

Prints microseconds of both for 1, 32 and 128 rows of a product, and their ratio. The time of w4a8 includes finding the
scales and rounding the rows.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from timing import interleaved

import quantc
from test_weight_formats import make_product


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--recipes", nargs="*", default=["sym-g64", "asym-g128"])
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((args.size, args.size)).astype(np.float32)
    print("| rows | groups | w4a16, µs | w4a8, µs | ratio |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        path = make_product(weights, Path(place))
        for recipe in args.recipes:
            libraries = []
            for bits in ("w4a16", "w4a8"):
                library = quantc.compile(path, output=f"{place}/{bits}-{recipe}.so", quantize=f"{bits}-{recipe}")
                library.set_num_threads(args.threads)
                libraries.append(library)
            for rows in (1, 32, 128):
                x = rng.standard_normal((rows, args.size)).astype(np.float32)
                floats, tokens = interleaved(*(lambda m=m: m.run({"x": x}) for m in libraries), seconds=2)
                print(
                    f"| {rows} | {recipe} | {floats * 1e6:.0f} | {tokens * 1e6:.0f} | {tokens / floats:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
