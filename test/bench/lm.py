"""Recipes on a language model: what each costs, and gains.

One row a recipe: perplexity, KL divergence from the float model and top-1 agreement with it; bits a weight (all
constants of the library, scales and zero points included, over the numbers of the model); the library's bytes; tokens a
second of CPU when windows of 256 are scored, and one at a time (without a cache), with the ratio to the float library,
which takes turns; and CPU seconds to calibrate, quantize and compile. `--update-docs` writes the rows into
docs/LanguageModels.md, where rows of other recipes stay if they were measured in the same way.
"""

import argparse
import math
import re
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import onnx
from bench import processor
from lm_tokens import load_tokens
from timing import ROOT

import quantc
from quantc import language

PAGE = ROOT / "docs" / "LanguageModels.md"
# CPU time is comparable with one only.
THREADS = 1
HEADINGS = ["recipe", "perplexity", "KLD", "top-1", "bits a weight", "library, MB", "scoring, tokens/s"]
HEADINGS += ["one token, /s", "compiled in, s", "processor"]
# What a user tries first; `--named` measures these only.
NAMED = (
    "float w8 w8-gptq w8-g128 w4a16-gptq-g64 w4a16-awq-g128 w4a16-hqq-g64 w3a16-gptq-g64 nf4-g64 mxfp4 nvfp4 "
    "w8a8-smoothquant w4a8-gptq-g64"
).split()
RECIPES = [
    *NAMED,
    *(
        "w4-sym-g64 w4-asym-g128 w4-asym-g64 w4-asym-g32 w4-gptq-asym-g64 w4-clip-asym-g64 w4-awq-asym-g64 w4-awq-clip-g64 "
        "w4-awq-clip-asym-g64 w4-awq-gptq-asym-g64 w4-asym-g64-importance w4-sym-g64-dq w4-asym-g64-rotate "
        "w3-asym-g64 w3-gptq-asym-g64 w3-clip-asym-g64 w3-awq-asym-g64 w3-awq-clip-asym-g64 w3-awq-gptq-asym-g64 w3-hqq-g64 "
        "w3-asym-g64-importance w3-gptq-asym-g64-rotate w3-gptq-asym-g64-importance "
        "w2-asym-g64 w2-gptq-asym-g64 w2-gptq-asym-g64-sequential w2-gptq-asym-g64-rotate "
        "nf4-gptq-g64 nf4-g64-dq f8e4m3 f8e5m2 f4e2m1-g32 mxfp4-importance mxfp8 mxfp8e5m2 q4_k q6_k "
        "w8a8 w8a8-smoothquant-gptq w8a8-llmint8 w8a8-rotate w8a8-rotate-gptq w8a8-dynamic w8a8-dynamic-token w8a8-g64 "
        "w4a8-rotate w4a8-g64 w4a8-gptq-asym-g64 w4a8-gptq-asym-g64-rotate"
    ).split(),
]


def needs_data(recipe):
    parts = set(recipe.split("-"))
    groups = any(re.fullmatch(r"g\d+", part) for part in parts)
    return bool({"gptq", "clip", "awq", "smoothquant", "importance", "llmint8"} & parts) or (
        bool({"w8a8", "w4a8"} & parts) and "dynamic" not in parts and not groups
    )


def save_windows(tokens, count, window, folder):
    """Calibration data: each sample is a window of tokens."""
    path = Path(folder) / "calibration"
    path.mkdir()
    for i in range(count):
        ids = tokens[i * window : (i + 1) * window].astype(np.int64)[None]
        np.savez(path / f"{i:04}.npz", input_ids=ids)
    return path


def count_numbers(path):
    """The float numbers that a model holds."""
    model = onnx.load(path, load_external_data=False)
    return sum(
        math.prod(t.dims) for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT and len(t.dims) > 1
    )


class Remembered:
    """A model as a function from tokens to logits, which runs once for the same tokens."""

    def __init__(self, model):
        self.model, self.known = model, {}

    def __call__(self, ids):
        if ids.tobytes() not in self.known:
            self.known[ids.tobytes()] = self.model.run({"input_ids": ids})[0][0]
        return self.known[ids.tobytes()]


def speeds(model, reference, tokens, count, seconds=2.0):
    """CPU seconds that `count` tokens take, and the float model's: the least, in turns. What else runs is not counted."""
    feed = {"input_ids": tokens[None, :count].astype(np.int64)}
    least, used, first = [math.inf, math.inf], 0, True
    while first or used < seconds or math.inf in least:
        for i, m in enumerate((model, reference)):
            for _ in range(3 if count == 1 else 1):
                start = time.process_time()
                m.run(feed)
                taken = time.process_time() - start
                used += taken
                if not first:
                    least[i] = min(least[i], taken)
        first = False
    return least


def measure(model_path, recipe, tokens, reference, data, limit, place):
    options = {} if recipe == "float" else {"quantize": recipe}
    if needs_data(recipe):
        options["calibration"] = str(data)
    # A loader that knows a path does not look at the file again.
    library = Path(place) / f"recipe-{recipe}.so"
    start = time.process_time()
    model = quantc.compile(str(model_path), output=str(library), **options)
    seconds = time.process_time() - start
    size = library.stat().st_size
    library.unlink()
    model.set_num_threads(THREADS)
    result = language.evaluate(model, tokens, against=reference, limit=limit)
    window, float_window = speeds(model, reference.model, tokens, 256)
    one, float_one = speeds(model, reference.model, tokens, 1)
    return (
        f"`{recipe}`",
        f"{result.perplexity:.3f}",
        f"{result.kl_divergence:.4f}",
        f"{100 * result.top1_agreement:.1f} %",
        f"{8 * model.weight_bytes / count_numbers(model_path):.2f}",
        f"{size / 1e6:.1f}",
        f"{256 / window:.0f} ({float_window / window:.2f})",
        f"{1 / one:.0f} ({float_one / one:.2f})",
        f"{seconds:.0f}",
        " ".join(re.sub(r"\(R\)|Processor", "", processor()).split()),
    )


def replace_table(name, caption, headings, rows, keep=False):
    """Puts a table into docs/LanguageModels.md; rows that are there may stay if the caption is the same."""
    begin, end = f"<!-- {name} -->\n", "<!-- end -->\n"
    before, found, rest = PAGE.read_text().partition(begin)
    if not found:
        raise SystemExit(f"{PAGE}: no place for a table ('{begin.strip()}')")
    old, _, after = rest.partition(end)
    if keep and " ".join(caption.split()) in " ".join(old.split()):
        kept = (tuple(cell.strip() for cell in line[1:-1].split("|")) for line in old.splitlines() if line[:3] == "| `")
        fresh = {row[0]: row for row in rows}
        rows = [fresh.pop(row[0], row) for row in kept] + list(fresh.values())
        order = {f"`{recipe}`": number for number, recipe in enumerate(RECIPES)}
        rows.sort(key=lambda row: order.get(row[0], len(order)))
    table = ["| " + " | ".join(row) + " |" for row in (headings, ["---"] + ["---:"] * (len(headings) - 1), *rows)]
    text = textwrap.fill(caption, 120, break_on_hyphens=False)
    PAGE.write_text(before + begin + "\n".join([text, "", *table]) + "\n" + end + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT.parent / "shared" / "lm" / "model.onnx")
    parser.add_argument("--recipes", nargs="*", default=RECIPES)
    parser.add_argument("--named", action="store_const", const=NAMED, dest="recipes", help=f"only {', '.join(NAMED)}")
    parser.add_argument("--windows", type=int, default=0, help="score so many windows only")
    parser.add_argument("--calibration-windows", type=int, default=128)
    parser.add_argument("--update-docs", action="store_true", help="write docs/LanguageModels.md")
    args = parser.parse_args()
    test, calibration = load_tokens(args.model)
    count = args.windows or (len(test) - 1) // 256
    caption = (
        f"{count} windows of 256 tokens, calibrated with {args.calibration_windows} others where a recipe wants data, on "
        f"one thread. Speeds and seconds are of CPU time on the row's processor, in brackets: times the float library's "
        "speed there."
    )
    rows = []
    print("| " + " | ".join(HEADINGS) + " |", "| ---" * len(HEADINGS) + " |", sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as place:
        data = save_windows(calibration, args.calibration_windows, 256, place)
        reference = Remembered(quantc.compile(str(args.model), output=f"{place}/float.so"))
        reference.model.set_num_threads(THREADS)
        for recipe in args.recipes:
            rows.append(measure(args.model, recipe, test, reference, data, args.windows, place))
            print("| " + " | ".join(rows[-1]) + " |", flush=True)
            if args.update_docs:
                replace_table(f"lm.py {args.model.stem}", caption, HEADINGS, rows, keep=True)


if __name__ == "__main__":
    main()
