"""Recipes on a language model: what each costs in perplexity, and gains.

One row a recipe: perplexity, KL divergence from the float model and top-1
agreement with it, bytes of the library, tokens a second (scoring windows of 256, and one token at a time), and
seconds to quantize and compile.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import ROOT

import quantc
from quantc import language

RECIPES = (
    "float w8 w8-g128 w4-sym-g64 w4-asym-g128 w4-asym-g64 w4-asym-g32 w4-gptq-asym-g64 w4-hqq-g64 w4-clip-asym-g64 "
    "w4-awq-asym-g64 w4-awq-gptq-asym-g64 w4-asym-g64-importance w4-sym-g64-dq w4-asym-g64-rotate "
    "w3-asym-g64 w3-gptq-asym-g64 w3-awq-asym-g64 w3-hqq-g64 w2-asym-g64 w2-gptq-asym-g64 "
    "nf4-g64 nf4-gptq-g64 nf4-g64-dq f8e4m3 f8e5m2 f4e2m1-g32 mxfp4 mxfp4-importance mxfp8 mxfp8e5m2 nvfp4 q4_k q6_k "
    "w8a8 w8a8-smoothquant w8a8-smoothquant-gptq w8a8-llmint8 w8a8-rotate w8a8-dynamic w8a8-dynamic-token w8a8-g64 "
    "w4a8-g64 w4a8-gptq-g64 w4a8-gptq-asym-g64 w4a8-gptq-asym-g64-rotate"
).split()


def needs_data(recipe):
    parts = set(recipe.split("-"))
    return bool({"gptq", "clip", "awq", "smoothquant", "importance", "llmint8"} & parts) or (
        "w8a8" in parts and not parts & {"dynamic", "g64"}
    )


def save_windows(tokens, count, window, folder):
    """Calibration data: each sample is a window of tokens."""
    path = Path(folder) / "calibration"
    path.mkdir()
    for i in range(count):
        ids = tokens[i * window : (i + 1) * window].astype(np.int64)[None]
        np.savez(path / f"{i:04}.npz", input_ids=ids)
    return path


def decode_rate(model, tokens, seconds=1.0):
    """Tokens a second, one at a time (of a graph without a cache: its matrices' share)."""
    ids = tokens[None, :1].astype(np.int64)
    model.run({"input_ids": ids})
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        model.run({"input_ids": ids})
        count += 1
    return count / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT.parent / "shared" / "lm" / "model.onnx")
    parser.add_argument("--recipes", nargs="*", default=RECIPES)
    parser.add_argument("--windows", type=int, default=0, help="score so many windows only")
    parser.add_argument("--calibration-windows", type=int, default=128)
    args = parser.parse_args()
    folder = args.model.parent
    test, calibration = (np.load(folder / f"{name}_tokens.npy") for name in ("test", "calib"))
    print("| recipe | perplexity | KLD | top-1 | library, MB | scoring, tokens/s | 1 token, /s | compiled in, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        data = save_windows(calibration, args.calibration_windows, 256, place)
        reference = quantc.compile(str(args.model), output=f"{place}/float.so")
        for recipe in args.recipes:
            options = {} if recipe == "float" else {"quantize": recipe}
            if needs_data(recipe):
                options["calibration"] = str(data)
            start = time.perf_counter()
            # A loader that knows a path does not look at the file again.
            library = Path(place) / f"recipe-{recipe}.so"
            model = quantc.compile(str(args.model), output=str(library), **options)
            seconds = time.perf_counter() - start
            size = library.stat().st_size
            result = language.evaluate(model, test, against=reference, limit=args.windows)
            print(
                f"| {recipe} | {result.perplexity:.3f} | {result.kl_divergence:.4f} | {100 * result.top1_agreement:.1f} % "
                f"| {size / 1e6:.1f} | {result.tokens_per_second:.0f} | {decode_rate(model, test):.0f} | {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
