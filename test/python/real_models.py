"""Inputs, sizes and references for the trained models that the tests compile.

As a program it compiles one model (or more) with build/bin/quantc, runs it on
the inputs below, and prints how far each output is from ONNX Runtime's:

    test/python/real_models.py minilm-l3 ppocr-v4-rec [--models DIR] [--keep DIR]

A model passes if each float output has |out - ref| / |ref| <= 1e-4 and each
integer output is equal. All sizes go through one library.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4

Feed = dict[str, np.ndarray]


# ---------------------------------------------------------------- input data


def text_image(rng, batch, height, width):
    """Dark words on light paper, normalized to -1...1. On plain noise a text
    detector says "nothing here" with scores of 1e-9, where a relative error
    has no meaning."""
    page = np.full((batch, height, width), 0.9, np.float32)
    cell = max(2, min(height // 12, 4))  # one dot of a 5x7 glyph
    glyphs = rng.random((26, 7, 5)) < 0.5
    glyphs[:, :, 0] = True  # a stem, as most letters have
    for b in range(batch):
        y = cell * 2
        while y + 7 * cell <= height:
            x = cell * 2
            while x + 5 * cell <= width:
                if rng.random() < 0.85:  # else a space between words
                    dots = np.kron(glyphs[rng.integers(26)], np.ones((cell, cell)))
                    page[b, y : y + 7 * cell, x : x + 5 * cell][dots > 0] = 0.1
                x += 6 * cell
            y += 14 * cell
    page += rng.normal(0, 0.02, page.shape).astype(np.float32)
    return np.repeat(page[:, None], 3, axis=1).clip(0, 1) * 2 - 1


def speech_like(rng, samples, rate=16000):
    """A voiced sound: harmonics of a gliding pitch under syllables, in noise."""
    t = np.arange(samples) / rate
    pitch = 120 + 40 * np.sin(2 * np.pi * rng.uniform(0.3, 1.5) * t + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 4 * t + rng.uniform(0, 6)), 0, None)
    return (0.15 * voice * syllables + 0.005 * rng.standard_normal(samples)).astype(np.float32)


def log_mel(audio, mels=80, window=400, hop=160, rate=16000):
    """Whisper's features: log10 of a mel spectrum, clamped and scaled."""
    frames = len(audio) // hop
    padded = np.pad(audio, (window // 2, window // 2), mode="reflect")
    cut = np.stack([padded[i * hop : i * hop + window] for i in range(frames)])
    power = np.abs(np.fft.rfft(cut * np.hanning(window))) ** 2
    to_mel = lambda hz: 2595 * np.log10(1 + hz / 700)
    edges = 700 * (10 ** (np.linspace(0, to_mel(rate / 2), mels + 2) / 2595) - 1)
    bins = np.linspace(0, rate / 2, power.shape[1])
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    spectrum = np.log10(np.maximum(np.clip(np.minimum(rise, fall), 0, None) @ power.T, 1e-10))
    return ((np.maximum(spectrum, spectrum.max() - 8) + 4) / 4).astype(np.float32)


def normal(rng, *shape, scale=1.0):
    return (scale * rng.standard_normal(shape)).astype(np.float32)


# -------------------------------------------------------------------- models


@dataclasses.dataclass(frozen=True)
class Model:
    """`feed(rng, size)` makes one set of inputs for an entry of `sizes`."""

    name: str
    sizes: list[tuple]
    feed: Callable[[np.random.Generator, tuple], Feed]
    repeats: int = 2  # sets of inputs for each size
    folder: str = "models"  # or "lm": which --folder holds it

    def path(self, folders: dict[str, Path]) -> Path:
        return folders[self.folder] / f"{self.name.removeprefix('lm-')}.onnx"

    def feeds(self) -> Iterator[tuple[str, Feed]]:
        rng = np.random.default_rng(list(self.name.encode()))
        for size in self.sizes:
            for i in range(self.repeats):
                yield f"{'x'.join(map(str, size))}#{i}", self.feed(rng, size)


def _tokens(vocabulary):
    return lambda rng, s: {"input_ids": rng.integers(0, vocabulary, (1, s[0]))}


def _minilm(rng, size):
    mask = np.ones(size, np.int64)
    for row in mask[1:]:  # the first row is full, others are padded
        row[rng.integers(1, size[1]) :] = 0
    return {"input_ids": rng.integers(0, 30522, size), "attention_mask": mask}


def _silero(rng, size):
    batch, window, rate = size
    audio = speech_like(rng, batch * window, rate).reshape(batch, window)
    return {"input": audio, "state": normal(rng, 2, batch, 128, scale=0.3), "sr": np.array(rate)}


def _silero_sequence(rng, size):
    return {
        "input": speech_like(rng, size[0] * 576).reshape(size[0], 576),
        "h": normal(rng, 1, 1, 128, scale=0.3),
        "c": normal(rng, 1, 1, 128, scale=0.3),
    }


def _magika(rng, size):
    data = rng.integers(32, 127, (size[0], 2048)).astype(np.int32)
    for row in data[1:]:  # shorter files: 256 stands for "no byte here"
        row[rng.integers(64, 1024) : 1024] = 256
    return {"bytes": data}


def _cached_tokens(vocabulary, layers, heads, dim, key):
    def feed(rng, size):
        past, new = size
        feeds = {"input_ids": rng.integers(0, vocabulary, (1, new))}
        for layer in range(layers):
            for part in key:
                feeds[part.format(layer)] = normal(rng, 1, heads, past, dim)
        return feeds

    return feed


MODELS = {
    m.name: m
    for m in [
        Model("mnist-conv", [()], lambda r, s: {"Input3": 255 * r.random((1, 1, 28, 28), np.float32)}, 4),
        Model("espcn-subpixel", [()], lambda r, s: {"input": r.random((1, 3, 4, 4), np.float32)}, 4),
        Model("espcn-resize", [()], lambda r, s: {"onnx::Relu_0": r.random((1, 3, 128, 128), np.float32)}),
        Model("ppocr-cls", [(1, 48, 192), (2, 32, 100), (3, 48, 320)], lambda r, s: {"x": text_image(r, *s)}),
        Model("ppocr-v4-det", [(1, 160, 256), (2, 96, 160), (1, 320, 480)], lambda r, s: {"x": text_image(r, *s)}),
        Model("ppocr-v4-rec", [(1, 48, 320), (2, 48, 160), (1, 48, 100)], lambda r, s: {"x": text_image(r, *s)}),
        Model("silero-vad-seq", [(1,), (7,), (32,)], _silero_sequence),
        Model(
            "silero-vad-static",
            [()],
            lambda r, s: {"input": speech_like(r, 576)[None], "state": normal(r, 2, 1, 128, scale=0.3)},
            4,
        ),
        Model("silero-vad", [(1, 576, 16000), (3, 576, 16000), (2, 288, 8000)], _silero),
        Model("magika", [(1,), (2,), (5,)], _magika),
        Model("minilm-l3", [(1, 8), (2, 33), (1, 128)], _minilm),
        Model(
            "smart-turn-int8-qdq",
            [(1,), (2,), (3,)],
            lambda r, s: {"input_features": np.stack([log_mel(speech_like(r, 128000)) for _ in range(s[0])])},
        ),
        Model("smollm2-135m", [(1,), (6,), (17,)], _tokens(49152)),
        Model(
            "smollm2-135m-kv",
            [(0, 5), (1, 1), (19, 1)],
            _cached_tokens(49152, 30, 3, 64, ("past_k.{}", "past_v.{}")),
        ),
        Model("smollm2-135m-l2", [(1,), (9,), (32,)], _tokens(4096)),
        Model("lm-model", [(1,), (7,), (64,)], _tokens(4096), folder="lm"),
        Model(
            "lm-decode",
            [(0, 1), (1, 1), (33, 1)],
            _cached_tokens(4096, 6, 2, 64, ("past_key_values.{}.key", "past_key_values.{}.value")),
            folder="lm",
        ),
    ]
}


# ------------------------------------------------------------- running them


def reference(path: Path, optimized=True):
    """ONNX Runtime on the same file, as a function from inputs to outputs."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    # Without AVX-VNNI its products of u8 and s8 saturate at 16 bits otherwise.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far one output is from its reference; `worst` is 0 for equal ones."""

    worst: float
    reason: str = ""

    @property
    def ok(self):
        return not self.reason


def compare(out: np.ndarray, ref: np.ndarray, tolerance=TOLERANCE) -> Difference:
    out = np.asarray(out)
    if out.shape != ref.shape or out.dtype != ref.dtype:
        return Difference(np.inf, f"{out.dtype}{list(out.shape)} instead of {ref.dtype}{list(ref.shape)}")
    if not np.issubdtype(ref.dtype, np.floating):
        wrong = int(np.count_nonzero(out != ref))
        return Difference(wrong, f"{wrong} of {ref.size} integers differ" if wrong else "")
    out64, ref64 = out.astype(np.float64).ravel(), ref.astype(np.float64).ravel()
    if not np.array_equal(np.isfinite(out64), np.isfinite(ref64)):
        return Difference(np.inf, "NaN or infinity where the reference has none, or the other way round")
    finite = np.isfinite(ref64)
    distance = np.linalg.norm(out64[finite] - ref64[finite])
    size = np.linalg.norm(ref64[finite])
    error = float(distance / size) if size else float(distance)
    return Difference(error, "" if error <= tolerance else f"relative error {error:.2e}")


def compile_model(path: Path, library: Path, *options: str, build: Path = ROOT / "build"):
    """Runs `quantc compile`; gives seconds and peak memory in MB."""
    start, peak = time.perf_counter(), 0
    command = [str(build / "bin" / "quantc"), "compile", str(path), "-o", str(library), *options]
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        # Sampled, since the kernel's own maximum (getrusage) of a child begins
        # with what its parent had in memory.
        while child.poll() is None:
            peak = max(peak, peak_kilobytes(child.pid))
            time.sleep(0.02)
        if child.returncode:
            output.seek(0)
            raise RuntimeError(f"quantc compile {path.name}: exit code {child.returncode}\n{output.read()[-4000:]}")
    return time.perf_counter() - start, peak / 1024


def peak_kilobytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has just ended
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found.group(1)) if found else 0


def check(model: Model, path: Path, library: Path) -> Iterator[tuple[str, str, Difference]]:
    """Runs each feed; yields (size, output's name, difference)."""
    import onnx
    import quantc

    names = [o.name for o in onnx.load(str(path), load_external_data=False).graph.output]
    compiled, oracle = quantc.load(str(library)), reference(path)
    for size, feed in model.feeds():
        for name, out, ref in zip(names, compiled.run(feed), oracle(feed), strict=True):
            yield size, name, compare(out, ref)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*MODELS, []], help="all if none is given")
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--lm", type=Path, default=ROOT.parent / "shared" / "lm")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--keep", type=Path, help="leave the libraries here")
    parser.add_argument("--option", action="append", default=[], help="one more option for quantc compile")
    parser.add_argument("--reference-only", action="store_true", help="try the inputs on ONNX Runtime alone")
    args = parser.parse_args()
    sys.path.insert(0, str(args.build / "python"))
    folders = {"models": args.models, "lm": args.lm}
    failed = []
    for name in args.names or MODELS:
        model = MODELS[name]
        path = model.path(folders)
        if args.reference_only:
            plain, optimized = reference(path, False), reference(path)
            for size, feed in model.feeds():
                errors = [compare(a, b).worst for a, b in zip(plain(feed), optimized(feed))]
                print(f"{name:20} {size:12} the two references differ by {max(errors):.1e}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            library = (args.keep or Path(scratch)) / f"{name}.so"
            library.parent.mkdir(parents=True, exist_ok=True)
            try:
                seconds, memory = compile_model(path, library, *args.option, build=args.build)
                print(f"{name:20} compiled in {seconds:.1f} s, {memory:.0f} MB", flush=True)
                for size, output, difference in check(model, path, library):
                    verdict = "ok" if difference.ok else difference.reason
                    print(f"{name:20} {size:12} {output[:24]:24} {difference.worst:.1e}  {verdict}", flush=True)
                    if not difference.ok:
                        failed.append(f"{name} {size} {output}: {difference.reason}")
            except Exception as error:  # one model's failure must not hide another's
                print(f"{name:20} {error}", flush=True)
                failed.append(f"{name}: {str(error).splitlines()[0]}")
    print(*failed, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
