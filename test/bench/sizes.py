#!/usr/bin/env python3
"""How much smaller 8-bit libraries are than those of the same models in float.

Dimensions are pinned to one size each, so that the memory of a call is known
when the library is compiled: weights, and one arena.

    test/bench/sizes.py [--models DIR] [--quantize w8a8] [--target x86-64-v4,+avx512vnni] [names...]
"""

import argparse
import tempfile
from pathlib import Path

from accuracy import NAMES, make_feeds
from timing import ROOT

import quantc
from real_models import MODELS

COLUMNS = ("library", "weights", "scratch memory of a call", "weights + scratch")


def measure(path, shapes, output, **options):
    model = quantc.compile(path, output=output, shapes=shapes, **options)
    weights, scratch = model.weight_bytes, model.scratch_bytes
    return output.stat().st_size, weights, scratch, weights + scratch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []])
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--quantize", default="w8a8")
    parser.add_argument("--target", default="native", help="what to compile for: it need not be this machine")
    args = parser.parse_args()
    print(f"| model, float / `{args.quantize}` | " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * (len(COLUMNS) + 1))
    for name in args.names or NAMES:
        path = MODELS[name].path({"models": args.models})
        feeds = make_feeds(name, 2, seed=1)
        shapes = {key: list(array.shape) for key, array in feeds[0].items()}
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "model.so"
            floats = measure(path, shapes, library, target=args.target)
            options = {"quantize": args.quantize, "calibration": feeds}
            integers = measure(path, shapes, library, target=args.target, **options)
        ratios = [f"{b / a:.3f}" if a else "-" for a, b in zip(floats, integers)]
        cells = [f"{a / 1e6:.3g} / {b / 1e6:.3g} ({r})" for a, b, r in zip(floats, integers, ratios)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
