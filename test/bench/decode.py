"""Text by one token at a time, with a cache: weights of floats, 8 bits and 4 bits, ours and ONNX Runtime's.

Each engine runs in a fresh process of its own. They take turns, a burst of tokens each, so that whatever else the machine
does falls on all. Rates are those of the fastest tenth of single tokens (one thread: of their CPU time), with
`--context` tokens and more in the cache; memory is the most that the process had, less what it had before the model was
loaded. Theirs in 4 bits is the best that their quantizer makes: the last matrix becomes a constant first, so that it is
found, and the embedding is quantized as well. The divergence (KL, from ONNX Runtime in float) is the mean over the tokens
of the prompt. With `--update-docs` the table goes into docs/LanguageModels.md. Needs the packages onnx_ir and sympy,
which ONNX Runtime's quantizer imports.
"""

import argparse
import logging
import multiprocessing
import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx.version_converter
from bench import MODELS_DIR, processor
from kv_cache import Theirs
from lm import replace_table
from lm_tokens import load_tokens
from onnx import numpy_helper

import quantc
from quantc import generation
from quantc.language import _log_probabilities

BLOCK = 32
ENGINES = {
    "Quantc, float": ("float.so", "ours"),
    "Quantc, `w8-g128`": ("w8.so", "ours"),
    f"Quantc, `w4-asym-g{BLOCK}`": ("w4.so", "ours"),
    "ONNX Runtime, float": ("float.onnx", "theirs"),
    "ONNX Runtime, MatMulNBits": ("w4.onnx", "theirs"),
    "ONNX Runtime, MatMulNBits, 8-bit activations": ("w4a8.onnx", "theirs"),
}


def fold_transposes(model):
    """Transposed constants as constants: a quantizer looks for these."""
    constants = {t.name: t for t in model.graph.initializer}
    for node in [n for n in model.graph.node if n.op_type == "Transpose" and n.input[0] in constants]:
        order = next((a.ints for a in node.attribute), None)
        array = numpy_helper.to_array(constants[node.input[0]]).transpose(order)
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), node.output[0]))
        model.graph.node.remove(node)
    return model


def write_theirs(path, folder):
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    if not (folder / "float.onnx").exists():
        (folder / "float.onnx").symlink_to(path.resolve())
    for name, level in (("w4.onnx", 0), ("w4a8.onnx", 4)):
        if (folder / name).exists():
            continue
        # Tables of 4 bits need opset 21, and the quantizer would change its number only.
        model = fold_transposes(onnx.version_converter.convert_version(onnx.load(path), 21))
        # Asymmetric where the op can be.
        config = DefaultWeightOnlyQuantConfig(
            block_size=BLOCK, is_symmetric=False, accuracy_level=level, op_types_to_quantize=("MatMul", "Gather")
        )
        quantizer = MatMulNBitsQuantizer(model, algo_config=config)
        quantizer.process()
        onnx.save(quantizer.model.model, folder / name)


def resident(which):
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[which].split()[0]) * 1024


def serve(kind, path, threads, pipe):
    """Loads a model, then does what comes through the pipe."""
    base = resident("VmRSS")
    if kind == "ours":
        runner = generation.Decoder(str(path), capacity=1024)
        runner.model.set_num_threads(threads)
    else:
        runner = Theirs(path, threads)
        empty = runner.cache
    pipe.send(None)
    # What else the machine does counts for nothing in CPU time, but neither does waiting for another thread.
    clock = time.process_time if threads == 1 else time.perf_counter
    for command, tokens in iter(pipe.recv, None):
        if command == "reset":
            if kind == "ours":
                runner.reset()
            else:
                runner.cache = empty
        start = clock()
        if command == "each":
            times = []
            for token in tokens:
                start = clock()
                runner.feed([token])
                times.append(clock() - start)
            pipe.send(times)
        else:
            logits = runner.feed(tokens)
            seconds = clock() - start
            # A pipe would take two more copies, which are none of the engine's memory.
            file = Path(path).with_name(f"logits-{os.getpid()}.npy")
            np.save(file, logits)
            pipe.send((seconds, file))
    pipe.send(resident("VmHWM") - base)


class Engine:
    def __init__(self, name, folder, threads, engines=ENGINES):
        file, kind = engines[name]
        self.bytes = (folder / file).stat().st_size
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(kind, folder / file, threads, other), daemon=True)
        self.process.start()
        other.close()  # What a process that failed leaves is an end of file.
        self.pipe.recv()
        self.prompts, self.steps = [], []

    def ask(self, *command):
        self.pipe.send(command)
        return self.pipe.recv()

    def feed(self, tokens):
        """The seconds that a prompt takes, and its logits."""
        seconds, file = self.ask("reset", tokens)
        return seconds, np.load(file)

    def finish(self):
        self.pipe.send(None)
        self.peak = self.pipe.recv()
        self.process.join()


def measure(folder, threads, prompt, following, rounds):
    engines = {name: Engine(name, folder, threads) for name in ENGINES}
    for _ in range(rounds):
        for name, engine in random.sample(sorted(engines.items()), len(engines)):
            seconds, engine.logits = engine.feed(prompt)
            engine.prompts.append(seconds)
            engine.steps += engine.ask("each", following)[2:]
            time.sleep(0.3)  # Threads that wait for work spin for a while.
    reference = _log_probabilities(engines["ONNX Runtime, float"].logits)
    base = 1 / np.quantile(engines["ONNX Runtime, float"].steps, 0.1)
    for name, engine in engines.items():
        engine.finish()
        found = _log_probabilities(engine.logits)
        rate = 1 / np.quantile(engine.steps, 0.1)
        yield (
            name,
            str(threads),
            f"{rate:.1f}",
            f"{rate / base:.2f}",
            f"{len(prompt) / min(engine.prompts):.0f}",
            f"{engine.peak / 1e6:.0f}",
            f"{engine.bytes / 1e6:.0f}",
            f"{(np.exp(reference) * (reference - found)).sum(-1).mean():.4f}",
        )


def make_parser(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODELS_DIR / "smollm2-135m-kv.onnx")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--folder", type=Path, help="where models lie, and are used again")
    parser.add_argument("--update-docs", action="store_true", help="write docs/LanguageModels.md")
    return parser


def write_table(name, caption, args, recipes, headings, measure):
    """Compiles the model by `recipes` (and theirs), and prints the rows that `measure(folder, threads)` gives; with
    --update-docs they go into the page, too."""
    logging.disable(logging.WARNING)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = args.folder or Path(place)
        folder.mkdir(exist_ok=True)
        write_theirs(args.model, folder)
        for form, recipe in recipes.items():
            if not (library := folder / f"{form}.so").exists():
                quantc.compile(str(args.model), output=str(library), quantize=recipe, kv_cache_in_place=True)
        print("| " + " | ".join(headings) + " |", "| ---" * len(headings) + " |", sep="\n", flush=True)
        for threads in args.threads:
            for row in measure(folder, threads):
                rows.append(row)
                print("| " + " | ".join(row) + " |", flush=True)
    if args.update_docs:
        replace_table(name, caption, headings, rows)


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=24, help="in a burst")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    tokens = load_tokens(args.model)[0]
    prompt, following = np.split(tokens[: args.context + args.tokens], [args.context])
    headings = ["", "threads", "tokens/s", "times ONNX Runtime, float", f"prompt of {args.context}, tokens/s"]
    headings += ["peak memory, MB", "model, MB", "KLD"]
    write_table(
        "decode.py", f"Bursts of {args.tokens} tokens on {processor()}, in use by others too:", args,
        {"float": None, "w8": "w8-g128", "w4": f"w4-asym-g{BLOCK}"}, headings,
        lambda folder, threads: measure(folder, threads, prompt, following, args.rounds),
    )  # fmt: skip


if __name__ == "__main__":
    main()
