"""Behind tools/bench.sh: a table of ratios against ONNX Runtime, and of our own
integer libraries (`w8a8`, calibrated on the input that is timed) against float.

Each library keeps the dynamic dimensions of its model.
"""

import argparse
import dataclasses
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import ROOT, interleaved, onnx_runtime, split_page

import bert
import fetch
import quantc
import resnet50
from real_models import compare, compile_model, text_image

MODELS_DIR = ROOT / "build" / "models"
THREADS = (1, 2)


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    size: str
    model: str
    feed: Callable[[np.random.Generator], dict]


def sentence(rng):
    return {"input_ids": rng.integers(0, 30522, (1, 128)), "attention_mask": np.ones((1, 128), np.int64)}


CASES = [
    Case("MiniLM encoder", "1 x 128 tokens", "minilm-l3", sentence),
    Case("PP-OCRv4 detector", "640 x 640", "ppocr-v4-det", lambda r: {"x": text_image(r, 1, 640, 640)}),
    Case("PP-OCRv4 recognizer", "48 x 320", "ppocr-v4-rec", lambda r: {"x": text_image(r, 1, 48, 320)}),
    Case(
        "ResNet-50 shape",
        "224 x 224",
        "resnet50",
        lambda r: {"image": r.standard_normal((1, 3, 224, 224), np.float32)},
    ),
]


BUILDERS = {"bert-base": bert.build, "resnet50": resnet50.build}


def locate(name):
    path = MODELS_DIR / f"{name}.onnx"
    if name not in BUILDERS:
        fetch.fetch(MODELS_DIR, [name])
    elif not path.exists():
        MODELS_DIR.mkdir(parents=True, exist_ok=True)
        BUILDERS[name](path)
    return path


def measure(case, seconds):
    """Yields (threads, milliseconds of ours, theirs, and our integer library), and checks that floats agree."""
    path = locate(case.model)
    library = ROOT / "build" / "bench" / f"{case.model}.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    compile_model(path, library)
    feed = case.feed(np.random.default_rng(0))
    integers = library.with_suffix(".w8a8.so")
    statistics = quantc.calibrate(path, feed, library.with_suffix(".stats"))
    quantc.compile(path, quantize="w8a8", stats=statistics, output=integers)
    for threads in THREADS:
        model, reference = quantc.load(str(library)), onnx_runtime(path, threads)
        model.set_num_threads(threads)
        for out, ref in zip(model.run(feed), reference(feed)):
            difference = compare(out, ref)
            if not difference.ok:
                raise SystemExit(f"{case.name}: {difference.reason}: times of a wrong result mean nothing")
        ours, theirs = interleaved(lambda: model.run(feed), lambda: reference(feed), seconds)
        quantized = quantc.load(str(integers))
        quantized.set_num_threads(threads)
        real, integer = interleaved(lambda: model.run(feed), lambda: quantized.run(feed), seconds)
        # As a share of the float library beside it, so that both ratios are of one run.
        yield threads, 1e3 * ours, 1e3 * theirs, 1e3 * ours * integer / real


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def page(rows, note):
    lines = [
        "# Benchmarks",
        "",
        "<!-- Written by `tools/bench.sh --update-docs`. -->",
        "",
        f"Float models on {processor()}, against ONNX Runtime {onnxruntime_version()}. Both sides are warmed up and run in",
        "turns; medians in milliseconds. Ratio: below 1 Quantc is faster. What counts is the ratio, within one run. The last",
        "two columns are our own `w8a8` library, and how many times faster than our float library it is.",
        *([note] if note else []),
        "",
        "| model | size | threads | Quantc | ONNX Runtime | ratio | int8 | float/int8 |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {n} | {s} | {t} | {o:.2f} | {r:.2f} | {o / r:.2f} | {i:.2f} | {o / i:.2f} |"
            for n, s, t, o, r, i in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def onnxruntime_version():
    import onnxruntime

    return onnxruntime.__version__


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="tools/bench.sh")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(c.model for c in CASES))
    parser.add_argument("--seconds", type=float, default=4, help="for each model and number of threads")
    parser.add_argument("--update-docs", action="store_true", help="write docs/Benchmarks.md")
    parser.add_argument("--note", help="a sentence for the page, on how busy the machine was, say")
    args = parser.parse_args()
    cases = [case for case in CASES if not args.names or case.model in args.names]
    if not cases:
        parser.error(f"no such model; there are {', '.join(c.model for c in CASES)}")
    print(f"{'model':22}{'size':16}{'threads':>8}{'Quantc':>10}{'ORT':>10}{'ratio':>8}{'int8':>10}{'f32/int8':>10}", flush=True)
    rows = []
    for case in cases:
        for threads, ours, theirs, integer in measure(case, args.seconds):
            rows.append((case.name, case.size, threads, ours, theirs, integer))
            print(
                f"{case.name:22}{case.size:16}{threads:8}{ours:8.2f}ms{theirs:8.2f}ms{ours / theirs:8.2f}"
                f"{integer:8.2f}ms{ours / integer:10.2f}",
                flush=True,
            )
    if args.update_docs:
        path = ROOT / "docs" / "Benchmarks.md"
        _, rest = split_page(path.read_text())
        path.write_text(page(rows, args.note) + rest)


if __name__ == "__main__":
    main()
