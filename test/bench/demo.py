"""Behind tools/demo.sh: compiles real models and compares them with ONNX Runtime,
then quantizes one of them to 8 bits and shows what that costs and gains."""

import argparse
import sys

import numpy as np
from rich.console import Console
from rich.table import Table
from timing import ROOT, interleaved, onnx_runtime

import fetch
import quantc
from real_models import MODELS, TOLERANCE, compare, compile_model

MODELS_DIR = ROOT / "build" / "models"
OUT_DIR = ROOT / "build" / "demo"
THREADS = 2
# What is quantized, the size that it is calibrated and measured at, and how many
# samples it is calibrated with.
QUANTIZED, QUANTIZED_SIZE, SAMPLES = "minilm-l3", (1, 128), 16


def show(number, unit):
    return f"{number:.1f} {unit}" if number < 100 else f"{number:.0f} {unit}"


def demonstrate(console, name):
    """Compiles and runs one model; gives the table's row and whether it agrees."""
    model = MODELS[name]
    fetch.fetch(MODELS_DIR, [name], log=lambda line: console.print(f"  [dim]{line}[/]"))
    path = model.path({"models": MODELS_DIR})
    library = OUT_DIR / f"{name}.so"
    with console.status(f"compiling {name}"):
        seconds, _ = compile_model(path, library)
    console.print(f"  [bold]{name}[/]: compiled in {seconds:.1f} s to {library.relative_to(ROOT)} and {name}.h")
    compiled, reference = quantc.load(str(library)), onnx_runtime(path, THREADS)
    compiled.set_num_threads(THREADS)
    worst, sizes, last = 0.0, [], None
    for size, feed in model.feeds():
        with console.status(f"running {name} {size}"):
            differences = [compare(o, r) for o, r in zip(compiled.run(feed), reference(feed), strict=True)]
        worst = max(worst, *(d.worst for d in differences))
        shape = "x".join(str(n) for n in next(iter(feed.values())).shape)
        if shape not in sizes:
            sizes.append(shape)
            last = feed
        for d in differences:
            if not d.ok:
                console.print(f"  [red]{size}: {d.reason}[/]")
    with console.status(f"timing {name}"):
        ours, theirs = interleaved(
            lambda: compiled.run(last), lambda: reference(last), seconds=2
        )
    agrees = worst <= TOLERANCE
    row = [
        name,
        ", ".join(sizes),
        f"[{'green' if agrees else 'red'}]{worst:.1e}[/]",
        show(path.stat().st_size / 2**20, "MB"),
        show(library.stat().st_size / 2**20, "MB"),
        f"{1e3 * ours:.2f} ms",
        f"{1e3 * theirs:.2f} ms",
        f"{ours / theirs:.2f}",
    ]
    return row, agrees


def cosine(ours, theirs):
    """Of sentence embeddings, the encoder's last output."""
    a, b = (outputs[-1].ravel().astype(np.float64) for outputs in (ours, theirs))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def quantize(console):
    """Compiles a model to 8-bit integers; gives the table beside the float library."""
    model = MODELS[QUANTIZED]
    path = model.path({"models": MODELS_DIR})
    library, plain = OUT_DIR / f"{QUANTIZED}-int8.so", OUT_DIR / f"{QUANTIZED}.so"
    rng = np.random.default_rng(0)
    data = [model.feed(rng, QUANTIZED_SIZE) for _ in range(SAMPLES)]
    unseen = [model.feed(rng, QUANTIZED_SIZE) for _ in range(4)]
    with console.status(f"quantizing {QUANTIZED}"):
        quantized = quantc.compile(path, quantize="w8a8", calibration=data, output=library)
    compiled, reference = quantc.load(str(plain)), onnx_runtime(path, THREADS)
    for m in (quantized, compiled):
        m.set_num_threads(THREADS)
    worst = min(cosine(quantized.run(feed), reference(feed)) for feed in unseen)
    with console.status(f"timing {QUANTIZED} in 8 bits"):
        integers, floats = interleaved(
            lambda: quantized.run(unseen[0]), lambda: compiled.run(unseen[0]), seconds=2
        )
        again, theirs = interleaved(
            lambda: quantized.run(unseen[0]), lambda: reference(unseen[0]), seconds=2
        )
    title = f"{QUANTIZED} with --quantize=w8a8 (calibrated with {SAMPLES} sequences of random tokens)"
    table = Table(title=title)
    for title in ("", "float .so", "int8 .so", "int8 / float", "int8 / ONNX Runtime float", "least cosine to float"):
        table.add_column(title, justify="right" if title else "left")
    table.add_row(
        "size", show(plain.stat().st_size / 2**20, "MB"), show(library.stat().st_size / 2**20, "MB"),
        f"{library.stat().st_size / plain.stat().st_size:.2f}", "", "",
    )
    table.add_row(
        "time", f"{1e3 * floats:.2f} ms", f"{1e3 * integers:.2f} ms",
        f"{integers / floats:.2f}", f"{again / theirs:.2f}", f"{worst:.4f}",
    )
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="tools/demo.sh")
    names = [name for name, model in MODELS.items() if model.folder == "models"]
    parser.add_argument("names", nargs="*", metavar="MODEL", help=", ".join(names))
    args = parser.parse_args()
    unknown = set(args.names) - set(names)
    if unknown:
        parser.error(f"no model is named {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    OUT_DIR.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 118)
    table = Table(title="Compiled by Quantc, compared with ONNX Runtime")
    for title in ("model", "input sizes, one library", "‖out−ref‖/‖ref‖", ".onnx", ".so"):
        table.add_column(title, justify="left" if title in ("model", "input sizes, one library") else "right")
    for title in ("Quantc", "ONNX Runtime", "ratio"):
        table.add_column(title, justify="right")
    ok = True
    for name in args.names or ["ppocr-v4-rec", "minilm-l3"]:
        row, agrees = demonstrate(console, name)
        table.add_row(*row)
        ok &= agrees
    console.print(table)
    if (OUT_DIR / f"{QUANTIZED}.so").exists():
        console.print(quantize(console))
    console.print(
        f"Times: medians at the last size, {THREADS} threads, run in turns. Ratio below 1: Quantc is faster.\n"
        f"[{'green]Every output agrees' if ok else 'red]Some output does not agree'} with ONNX Runtime.[/]"
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
