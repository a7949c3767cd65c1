"""Speed of whole models and single layers beside other engines.

Every engine gets the same ONNX file and the same input, and runs in a process
of its own: its own threads, its own memory, and a crash is its own. They take
turns in a random order, a short burst each, so that whatever else the machine
does falls on all of them. Prints medians, and what loading takes; with
`--update-docs` writes the table into docs/Rivals.md.

Engines other than ONNX Runtime are used where they are installed (openvino,
iree-base-compiler, iree-base-runtime); where one cannot take a model, the table
says why. OpenVINO is told to compute in f32 where the model does; in the form `bf16`
it and Quantc are told that they may round to that. Processors without bf16 measure
this form if a name asks for it.
"""

import argparse
import dataclasses
import importlib.util
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from timing import ROOT

import quantc
from accuracy import quantize_theirs
from bench import CASES, locate, processor
from bench import Case as Model
from integer import Conv, MatMul, features
from real_models import log_mel, speech_like

PAGE = ROOT / "docs" / "Rivals.md"
MODELS = CASES + [
    Model(
        "BERT-base shape",
        "1 x 128 tokens",
        "bert-base",
        lambda r: {"embeddings": r.standard_normal((1, 128, 768), np.float32)},
    ),
    # It is quantized already.
    Model(
        "Whisper-tiny encoder",
        "1 x 80 x 800",
        "smart-turn-int8-qdq",
        lambda r: {"input_features": log_mel(speech_like(r, 128000))[None]},
    ),
]
BURST = 0.05  # seconds
EXACT = "ONNX Runtime, exact"


# Engines: load(path, feed, threads, precision) gives a function without arguments.


def load_quantc(path, feed, threads, precision):
    model = quantc.load(str(path.with_suffix(".so")))
    model.set_num_threads(threads)
    return lambda: model.run(feed)


def refuse_bf16(precision):
    if precision == "bf16":
        raise ValueError("models of f32 are computed in f32")


def load_onnxruntime(path, feed, threads, precision, settings=()):
    import onnxruntime as ort

    refuse_bf16(precision)

    options = ort.SessionOptions()
    for name, value in settings:
        options.add_session_config_entry(name, value)
    options.log_severity_level = 3
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Its threads would spin on while others have their turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feed)


def load_onnxruntime_exact(path, feed, threads, precision):
    """With sums of bytes that do not saturate."""
    if not any("Quantize" in node.op_type for node in onnx.load(path, load_external_data=False).graph.node):
        raise ValueError("floats do not saturate")
    return load_onnxruntime(path, feed, threads, precision, [("session.x64quantprecision", "1")])


def load_openvino(path, feed, threads, precision):
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    settings |= {"INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": False}
    model = openvino.Core().compile_model(str(path), "CPU", settings)
    request = model.create_infer_request()
    for port in model.inputs:
        name = next(n for n in port.get_names() if n in feed)
        request.set_tensor(port, openvino.Tensor(feed[name]))

    def run():
        request.infer()
        return [np.array(request.get_tensor(port).data) for port in model.outputs]

    return run


def load_iree(path, feed, threads, precision):
    import iree.runtime as runtime

    refuse_bf16(precision)

    if threads > 1:
        runtime.flags.parse_flags(f"--task_topology_group_count={threads}")
    config = runtime.Config("local-sync" if threads == 1 else "local-task")
    module = runtime.VmModule.mmap(config.vm_instance, str(compile_iree(path)))
    context = runtime.SystemContext(vm_modules=[module], config=config)
    loaded = context.modules[module.name]  # HAL is a module, too
    names = [n for n in module.function_names if not n.startswith("__") and not n.endswith("$async")]
    entry = getattr(loaded, names[0])
    inputs = [runtime.asdevicearray(config.device, feed[i.name]) for i in onnx.load(path).graph.input]

    def run():
        result = entry(*inputs)
        return [np.asarray(r) for r in (result if isinstance(result, (tuple, list)) else [result])]

    return run


def compile_iree(path):
    result = path.with_suffix(".vmfb")
    if result.exists():
        return result
    tools = Path(sys.executable).parent
    imported = path.with_suffix(".iree.mlir")
    flags = ["--iree-hal-target-device=local", "--iree-hal-local-target-device-backends=llvm-cpu"]
    flags += ["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3", "--iree-opt-data-tiling"]
    flags += ["--iree-llvmcpu-enable-ukernels=all", "--iree-llvmcpu-stack-allocation-limit=1048576"]
    for command in (
        [tools / "iree-import-onnx", path, "-o", imported],
        [tools / "iree-compile", *flags, imported, "-o", result],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
            raise RuntimeError(lines[0])
    return result


ENGINES = {
    "Quantc": (None, load_quantc),
    "ONNX Runtime": ("onnxruntime", load_onnxruntime),
    EXACT: ("onnxruntime", load_onnxruntime_exact),
    "OpenVINO": ("openvino", load_openvino),
    "IREE": ("iree", load_iree),
}


def peak_memory():
    """Megabytes that this process had at most. (getrusage would count its parent's, before it became another program.)"""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def worker(engine, path, feed, threads, precision, pipe):
    """Says (seconds to load, peak MB, outputs) or a string; then answers each budget with times."""
    try:
        if engine == "IREE":
            compile_iree(path)  # ahead of time, as ours is
        start = time.perf_counter()
        run = ENGINES[engine][1](path, feed, threads, precision)
        loaded = time.perf_counter() - start
        outputs = [np.array(o) for o in run()]
        peak = peak_memory()
        pipe.send((loaded, peak, outputs))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:160]}")
        return
    while (budget := pipe.recv()) is not None:
        run()  # the others have just had the caches
        times, end = [], time.perf_counter() + budget
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        pipe.send(times)


class Turn:
    """One engine in its process."""

    def __init__(self, engine, case, threads):
        spawn = multiprocessing.get_context("spawn")
        self.engine, (self.pipe, child) = engine, spawn.Pipe()
        work = (engine, case.path, case.feed, threads, case.precision, child)
        self.process = spawn.Process(target=worker, args=work, daemon=True)
        self.process.start()
        child.close()
        self.times = []
        self.error = None
        answer = self.receive()
        if isinstance(answer, str):
            self.error = answer
        else:
            self.loaded, self.peak, self.outputs = answer

    def receive(self):
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            return f"the process ended with code {self.process.exitcode}"

    def run(self):
        if self.error:
            return
        try:
            self.pipe.send(BURST)
        except OSError:
            pass
        answer = self.receive()
        if isinstance(answer, str):
            self.error = answer
        else:
            self.times += answer

    def stop(self):
        if self.process.is_alive():
            self.pipe.send(None)
            self.process.join(10)

    @property
    def median(self):
        return 1e3 * statistics.median(self.times)


# What is measured.


@dataclasses.dataclass
class Case:
    name: str
    kind: str  # "f32", "bf16" or "int8"
    path: Path
    feed: dict

    @property
    def precision(self):
        """What floats may be rounded to."""
        return "bf16" if self.kind == "bf16" else "f32"


def layer_model(case, integer, path):
    """A layer in QDQ form, as engines expect it, or in float; and its input."""
    rng = np.random.default_rng(0)
    node, values, shape, out_shape = case.integer(rng)
    kind = onnx.TensorProto.UINT8 if integer else onnx.TensorProto.FLOAT
    scale = values["sw"].reshape((-1,) + (1,) * (values["w"].ndim - 1) if "b" in values else (1, -1))
    op = node.op_type.removeprefix("QLinear")
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    x = rng.integers(0, 256, shape).astype(np.uint8)
    operands = ["x", "w"] + ["b"] * ("b" in values)
    if integer:
        axis = 0 if op == "Conv" else 1
        nodes = [
            helper.make_node("DequantizeLinear", ["x", "sx", "zx"], ["xf"]),
            helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["wf"], axis=axis),
        ]
        if "b" in values:
            values["sb"] = (values["sx"] * values["sw"]).astype(np.float32)
            nodes.append(helper.make_node("DequantizeLinear", ["b", "sb"], ["bf"], axis=0))
        nodes.append(helper.make_node(op, [o + "f" for o in operands], ["yf"], **attributes))
        nodes.append(helper.make_node("QuantizeLinear", ["yf", "sy", "zy"], ["y"]))
    else:
        x = ((x.astype(np.float32) - values["zx"]) * values["sx"]).astype(np.float32)
        reals = {"w": values["w"] * scale}
        if "b" in values:
            reals["b"] = values["b"] * values["sx"] * values["sw"]
        values = {name: value.astype(np.float32) for name, value in reals.items()}
        nodes = [helper.make_node(op, operands, ["y"], **attributes)]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, out_shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return {"x": x}


LAYERS = [
    MatMul(128, 768, 768),
    MatMul(128, 768, 3072),
    MatMul(512, 512, 512),
    MatMul(1024, 1024, 1024),
    MatMul(1, 4096, 4096),
    Conv(64, 64, 56, 3),
    Conv(256, 256, 14, 3),
    Conv(1024, 256, 14, 1),
    Conv(128, 128, 56, 3, group=128),
]


def make_cases(names, folder):
    def wanted(name):
        return not names or any(n.lower() in name.lower() for n in names)

    float_kinds = ["f32"]
    if has_bf16() or any("bf16" in name for name in names):
        float_kinds.append("bf16")
    for number, layer in enumerate(LAYERS):
        for kind in (*float_kinds, "int8"):
            if wanted(f"{layer.name} {kind}"):
                path = folder / f"layer{number}-{kind}.onnx"
                yield Case(layer.name, kind, path, layer_model(layer, kind == "int8", path))
    for model in MODELS:
        feed = model.feed(np.random.default_rng(0))
        is_quantized = "int8" in model.model
        for kind in ["int8"] if is_quantized else float_kinds:
            if wanted(f"{model.name} {kind}"):
                path = folder / f"{model.model}-{kind}.onnx"
                path.write_bytes(locate(model.model).read_bytes())
                yield Case(model.name, kind, path, feed)
        if not is_quantized and wanted(f"{model.name} int8"):
            calibration = [model.feed(np.random.default_rng(seed)) for seed in range(1, 5)]
            own = folder / model.model
            own.mkdir()
            yield Case(model.name, "int8", quantize_theirs(locate(model.model), calibration, "MinMax", own), feed)


def has_bf16():
    flags = Path("/proc/cpuinfo").read_text().split()
    return bool({"avx512_bf16", "amx_bf16"} & set(flags))


def artefact(engine, path):
    """Bytes of the file that an engine loads."""
    suffixes = {"Quantc": ".so", "IREE": ".vmfb"}
    return path.with_suffix(suffixes.get(engine, path.suffix)).stat().st_size


def measure(case, threads, seconds, engines):
    quantc.compile(str(case.path), output=str(case.path.with_suffix(".so")), float_products=case.precision)
    turns = [Turn(engine, case, threads) for engine in engines]
    reference = next((t for t in turns if t.engine == "ONNX Runtime" and not t.error), None)
    order = np.random.default_rng(0)
    end = time.perf_counter() + seconds * len(turns)
    while time.perf_counter() < end:
        for turn in order.permutation(turns):
            turn.run()
    for turn in turns:
        turn.stop()
        if turn.error:
            turn.text = turn.load = "-"
            print(f"  {turn.engine}: {turn.error}", file=sys.stderr)
            continue
        turn.text = f"{turn.median:.3g}"
        turn.load = f"{1e3 * turn.loaded:.0f} ms, {turn.peak:.0f} MB, {artefact(turn.engine, case.path) / 1e6:.3g} MB"
        if reference and case.kind == "f32":
            for ours, theirs in zip(turn.outputs, reference.outputs):
                if np.linalg.norm(ours - theirs) > 1e-3 * np.linalg.norm(theirs):
                    raise SystemExit(f"{case.name}: {turn.engine} computes something else")
    return turns


def measure_best(case, threads, seconds, engines):
    """Some processes run two threads on one processor, as long as they live: with several threads each engine has two
    processes, one after the other, and the faster counts."""
    turns = measure(case, threads, seconds, engines)
    if threads == 1:
        return turns
    again = measure(case, threads, seconds, engines)
    return [min(pair, key=lambda turn: np.inf if turn.error else turn.median) for pair in zip(turns, again)]


def table(headings, rows):
    rule = ["---:" if heading not in ("case", "form") else "---" for heading in headings]
    return ["| " + " | ".join(row) + " |" for row in (headings, rule, *rows)]


def keep_rows(section, headings, rows):
    """`rows`, and those of other cases of the table in `section` that has times if these have, with the same columns."""
    keys = headings.index("form") + 1 + ("threads" in headings)
    own = {row[:keys]: row for row in rows}
    kept, columns = [], ()
    for line in section.splitlines():
        cells = tuple(cell.strip() for cell in line[1:-1].split("|"))
        if not line.startswith("| ") or cells[0] == "---":
            continue
        if cells[0] == "case":
            columns = cells
        elif ("threads" in columns) == ("threads" in headings):
            old = dict(zip(columns, cells))
            kept.append(own.pop(cells[:keys], tuple(old.get(heading, "-") for heading in headings)))
    return kept + list(own.values())


def split_sections(text):
    """The page's sections, one for each kind of machine, by their headings."""
    parts = text.split("\n## ")[1:]
    return {heading: body for heading, _, body in (part.partition("\n") for part in parts)}


def loading(engines):
    """Those that differ in what loading takes."""
    return [engine for engine in engines if engine != EXACT]


def section(rows, loads, engines, versions, old):
    """`rows` are of times, `loads` of what the engines take beside time; rows of other cases in `old` stay if the
    machine and the engines are the same."""
    caption = f"On {processor()}: {versions}."
    if caption not in old:
        old = ""
    times, taken = ("case", "form", "threads", *engines, "best / Quantc"), ("case", "form", *loading(engines))
    lines = ["", caption]
    for headings, new in ((times, rows), (taken, loads)):
        if kept := keep_rows(old, headings, new):
            lines += ["", *table(headings, kept)]
    return "\n".join(lines) + "\n"


def page(sections):
    text = (
        "All engines get the same ONNX file and run in turns, in one process each (with several threads in two, of which "
        "the faster counts; not yet in the tables with VNNI); medians in milliseconds. `int8` models "
        "are QDQ models by ONNX Runtime's `quantize_static` (u8 activations, s8 weights per channel), `int8` layers have "
        "one scale a column; in `bf16` products of floats may round to it. `best / Quantc` above 1: Quantc is the fastest. `-`: the engine cannot take the model. On "
        "processors that have AVX2 only, the other engines add up products of bytes in 16 bits, where large weights "
        "saturate; Quantc's results are exact, as those of ONNX Runtime are with `session.x64quantprecision`, in the column "
        "of that name."
    )
    second = (
        "The second table of each kind of machine is what a process takes that loads a model and runs it on one thread: "
        "milliseconds to load it, megabytes at most in memory (those of Python and of what all processes import, more than "
        "100, among them), megabytes of the file that it loads. ONNX Runtime and OpenVINO load the ONNX file, and compile "
        "it each time."
    )
    lines = ["# Beside other engines", "", "<!-- Written by `test/bench/rivals.py --update-docs`. -->", ""]
    for part in (text, second):
        lines += [textwrap.fill(part, 120, break_on_hyphens=False), ""]
    return "\n".join(lines) + "".join(f"\n## {heading}\n{body}" for heading, body in sections.items())


def available():
    """The names of engines that are installed; of both forms of ONNX Runtime where they differ: with VNNI nothing
    saturates."""
    saturates = not any("vnni" in feature for feature in features())
    names = [name for name in ENGINES if name != EXACT or saturates]
    return [name for name in names if not (package := ENGINES[name][0]) or importlib.util.find_spec(package)]


def versions(engines):
    from importlib.metadata import version

    packages = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "IREE": "iree-base-compiler"}
    return ", ".join(f"{e} {version(packages[e])}" for e in engines if e in packages)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of names of cases, with their form: 'gemm', 'int8'")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each engine, case and number of threads")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--engines", nargs="*", default=available(), choices=list(ENGINES))
    parser.add_argument("--update-docs", action="store_true", help="write docs/Rivals.md, where rows of other cases and machines stay")
    args = parser.parse_args()
    line = "{:32}{:>6}{:>9}" + "{:>21}" * len(args.engines) + "{:>15}"
    print(line.format("case", "form", "threads", *args.engines, "best / Quantc"), flush=True)
    rows, loads = [], []
    models = {model.name for model in MODELS}
    with tempfile.TemporaryDirectory() as folder:
        for case in make_cases(args.names, Path(folder)):
            for threads in args.threads:
                turns = measure_best(case, threads, args.seconds, args.engines)
                others = [t.median for t in turns if not t.error and t.engine != "Quantc"]
                own = next((t.median for t in turns if not t.error and t.engine == "Quantc"), None)
                ratio = f"{min(others) / own:.2f}" if own and others else "-"
                if case.name in models and threads == 1:
                    kept = loading(args.engines)
                    loads.append((case.name, case.kind, *(t.load for t in turns if t.engine in kept)))
                rows.append((case.name, case.kind, str(threads), *(t.text for t in turns), ratio))
                print(line.format(*rows[-1]), flush=True)
    if args.update_docs:
        sections = split_sections(PAGE.read_text())
        heading = f"With {', '.join(features())}"
        own = section(rows, loads, args.engines, versions(args.engines), sections.get(heading, ""))
        PAGE.write_text(page(sections | {heading: own}))


if __name__ == "__main__":
    main()
