"""Prompts in one call with an empty cache: weights of floats and 4 bits, ours and ONNX Runtime's.

Models and processes are those of decode.py, and ours with 8-bit activations. All engines take turns, a prompt each, and
rates are those of the median prompt (one thread: of its CPU time; two: by the wall clock, so that the machine should do
nothing else: `chrt -f 10` helps).
Prompts of random tokens, since what they say does not change the time. With `--update-docs` the table goes into
docs/LanguageModels.md.
"""

import argparse
import logging
import random
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from bench import MODELS_DIR, processor
from decode import BLOCK, Engine, write_theirs
from lm import replace_table

import quantc

RECIPES = {"float": None, "w4": f"w4-asym-g{BLOCK}", "w4a8": f"w4a8-asym-g{BLOCK}"}
OURS = {f"Quantc, {f'`{recipe}`' if recipe else name}": (f"{name}.so", "ours") for name, recipe in RECIPES.items()}
THEIRS = {
    "ONNX Runtime, float": ("float.onnx", "theirs"),
    "ONNX Runtime, MatMulNBits": ("w4.onnx", "theirs"),
    "ONNX Runtime, MatMulNBits, 8-bit activations": ("w4a8.onnx", "theirs"),
}


def measure(folder, threads, lengths, rounds):
    engines = {name: Engine(name, folder, threads, OURS | THEIRS) for name in OURS | THEIRS}
    seconds = {name: {length: [] for length in lengths} for name in engines}
    rng = np.random.default_rng(0)
    for turn in range(rounds + 1):
        for length in lengths:
            prompt = rng.integers(0, 4096, length)
            for name, engine in random.sample(sorted(engines.items()), len(engines)):
                taken, _ = engine.ask("reset", prompt)
                # The first turn finds pages and caches cold.
                if turn > 0:
                    seconds[name][length].append(taken)
                time.sleep(0.1)  # Threads that wait for work spin for a while.
    median = {name: {n: statistics.median(times) for n, times in row.items()} for name, row in seconds.items()}
    best = {length: min(median[name][length] for name in THEIRS) for length in lengths}
    for name, engine in engines.items():
        engine.finish()
        row = [name, str(threads)]
        for length in lengths:
            row += [f"{length / median[name][length]:.0f}", f"{best[length] / median[name][length]:.2f}"]
        yield (*row, f"{engine.peak / 1e6:.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODELS_DIR / "smollm2-135m-kv.onnx")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--lengths", type=int, nargs="*", default=[128, 512])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where models lie, and are used again")
    parser.add_argument("--update-docs", action="store_true", help="write docs/LanguageModels.md")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    headings = ["", "threads"]
    for length in args.lengths:
        headings += [f"{length} tokens, tokens/s", "times the fastest of ONNX Runtime"]
    headings.append("peak memory, MB")
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = args.folder or Path(place)
        folder.mkdir(exist_ok=True)
        write_theirs(args.model, folder)
        for name, recipe in RECIPES.items():
            if not (library := folder / f"{name}.so").exists():
                quantc.compile(str(args.model), output=str(library), quantize=recipe, kv_cache_in_place=True)
        print("| " + " | ".join(headings) + " |", "| ---" * len(headings) + " |", sep="\n", flush=True)
        for threads in args.threads:
            for row in measure(folder, threads, args.lengths, args.rounds):
                rows.append(row)
                print("| " + " | ".join(row) + " |", flush=True)
    if args.update_docs:
        caption = f"Prompts on {processor()}, medians of {args.rounds}:"
        replace_table("prefill.py", caption, headings, rows)


if __name__ == "__main__":
    main()
