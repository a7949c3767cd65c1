"""Decoding with caches in several forms, beside ONNX Runtime: time for a token, and bytes.

All take turns in one process, token by token, with `--context` tokens in the cache; times are medians. A form is a
recipe for weights, then what the cache is stored in and `in-place`: float, float+in-place, w4-asym-g64+int8+in-place.
With `--score=N`, perplexities of N windows of `--context` test tokens are printed instead, each token scored by a run of
its own, beside that of the first form.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from lm_tokens import load_tokens
from timing import ROOT

import quantc
from quantc import generation
from quantc.language import _log_probabilities, windows

FORMS = "float float+in-place w4-asym-g64+in-place w4-asym-g64+int8+in-place w4-asym-g64+int4+in-place".split()


class Ours:
    def __init__(self, model, form, folder):
        recipe, *cache = form.split("+")
        path = Path(folder) / f"{form}.so"
        kv_cache = next((part for part in cache if part != "in-place"), None)
        quantc.compile(
            str(model),
            output=str(path),
            quantize=None if recipe == "float" else recipe,
            kv_cache=kv_cache,
            kv_cache_in_place="in-place" in cache,
        )
        self.decoder = generation.Decoder(str(path), capacity=2048)
        self.model_bytes = path.stat().st_size

    def set_threads(self, count):
        self.decoder.model.set_num_threads(count)

    def feed(self, tokens):
        return self.decoder.feed(tokens)

    @property
    def cache_bytes(self):
        return self.decoder.cache_bytes


class Theirs:
    """ONNX Runtime, which makes a new cache for each token."""

    def __init__(self, model, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: i for i in self.session.get_inputs()}
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.cache = {
            name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32)
            for name, i in self.inputs.items()
            if name.startswith("past")
        }
        self.single = self.inputs["input_ids"].shape[1] == 1
        self.model_bytes = Path(model).stat().st_size

    def feed(self, tokens):
        tokens = np.asarray(tokens, np.int64).reshape(1, -1)
        for part in np.split(tokens, tokens.shape[1], 1) if self.single else [tokens]:
            results = dict(zip(self.outputs, self.session.run(None, {"input_ids": part, **self.cache})))
            self.cache = {
                name: results[name.replace("past_key_values", "present").replace("past", "present")]
                for name in self.cache
            }
        return results["logits"][0]

    @property
    def cache_bytes(self):
        return sum(array.nbytes for array in self.cache.values())


def score(runner, tokens, window, count):
    """The perplexity of tokens that come one by one."""
    loss, scored = 0.0, 0
    for ids, following, _ in windows(tokens, window, limit=count):
        runner.decoder.reset()
        for token, target in zip(ids[0], following):
            loss -= float(_log_probabilities(runner.feed([token]))[0, target])
            scored += 1
    return float(np.exp(loss / scored))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT.parent / "shared" / "lm" / "decode.onnx")
    parser.add_argument("--forms", nargs="*", default=FORMS)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=64, help="tokens to time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--score", type=int, default=0, metavar="N", help="print perplexities of N windows")
    args = parser.parse_args()
    if args.score:
        tokens, first = load_tokens(args.model)[0], None
        print(f"{args.score} windows of {args.context} tokens", "| | perplexity | |", "| --- | ---: | ---: |", sep="\n")
        for form in args.forms:
            with tempfile.TemporaryDirectory() as folder:
                runner = Ours(args.model, form, folder)
                runner.set_threads(args.threads)
                perplexity = score(runner, tokens, args.context, args.score)
            first = first or perplexity
            print(f"| {form} | {perplexity:.3f} | {100 * (perplexity / first - 1):+.3f} % |", flush=True)
        return
    rng = np.random.default_rng(0)
    prompt = rng.integers(0, 4096, args.context)
    with tempfile.TemporaryDirectory() as folder:
        runners = {"ONNX Runtime, float": Theirs(args.model, args.threads)}
        for form in args.forms:
            runners[form] = Ours(args.model, form, folder)
            runners[form].set_threads(args.threads)
        for runner in runners.values():
            runner.feed(prompt)
        times = {name: [] for name in runners}
        for token in rng.integers(0, 4096, args.tokens):
            for name, runner in runners.items():
                start = time.perf_counter()
                runner.feed([token])
                times[name].append(time.perf_counter() - start)
        base = np.median(times["ONNX Runtime, float"])
        print(f"context {args.context}, {args.threads} thread(s)")
        print("| | tokens/s | times ONNX Runtime's | model, MB | cache, MB |")
        print("| --- | --- | --- | --- | --- |")
        for name, runner in runners.items():
            median = np.median(times[name])
            print(
                f"| {name} | {1 / median:.0f} | {base / median:.2f} | {runner.model_bytes / 1e6:.1f} "
                f"| {runner.cache_bytes / 1e6:.2f} |"
            )


if __name__ == "__main__":
    main()
