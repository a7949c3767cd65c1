"""Prompts in one call with an empty cache: weights of floats and 4 bits, ours and ONNX Runtime's.

Models and processes are those of decode.py, and ours with 8-bit activations. All engines take turns, a prompt each, and
rates are those of the median prompt (one thread: of its CPU time; two: by the wall clock, so that the machine should do
nothing else: `chrt -f 10` helps).
Prompts of random tokens, since what they say does not change the time. With `--update-docs` the table goes into
docs/LanguageModels.md.
"""

import random
import statistics
import time

import numpy as np
from bench import processor
from decode import BLOCK, Engine, make_parser, write_table

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
    parser = make_parser(__doc__)
    parser.add_argument("--lengths", type=int, nargs="*", default=[128, 512])
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    headings = ["", "threads"]
    for length in args.lengths:
        headings += [f"{length} tokens, tokens/s", "times the fastest of ONNX Runtime"]
    headings.append("peak memory, MB")
    write_table(
        "prefill.py", f"Prompts on {processor()}, medians of {args.rounds}:", args, RECIPES, headings,
        lambda folder, threads: measure(folder, threads, args.lengths, args.rounds),
    )  # fmt: skip


if __name__ == "__main__":
    main()
