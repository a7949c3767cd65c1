#!/usr/bin/env python3
"""Rules about the tree that no compiler checks.

Layering: a library includes only from itself and from the libraries that
LAYERS lists for it, which is the one-way picture of docs/Architecture.md. A
folder of lib/CodeGen is one, too: its private headers are `CodeGen/Gemm/X.h`.
Documentation: each pass and each op says what it does, at some length.
Tests: each .mlir test checks something. Files stay readable in one sitting.
Nothing lies at the top level that does not belong there.
"""

import graphlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 600

# Which of our libraries each may include from, besides itself. Public headers of
# code generation are in "CodeGen", whichever of its folders implements them.
IR = ["Dialect/QNN/IR"]
CODEGEN = ["CodeGen", "Dialect/Kernel/IR", "Support"]
LAYERS = {
    "Dialect/QNN/IR": ["Support"],
    "Dialect/QNN/Transforms": [*IR, "Quantization", "Support"],
    "Dialect/Kernel/IR": [],
    "Target/ONNX": IR,
    "Conversion": IR,
    "CodeGen": ["Dialect/Kernel/IR", "Support"],
    "CodeGen/Emitter": CODEGEN,
    "CodeGen/Target": [*CODEGEN, "CodeGen/Emitter"],
    "CodeGen/Analysis": [*CODEGEN, "CodeGen/Target"],
    "CodeGen/Gemm": [*CODEGEN, "CodeGen/Emitter", "CodeGen/Target"],
    "CodeGen/Contractions": [*CODEGEN, "CodeGen/Emitter", "CodeGen/Target", "CodeGen/Analysis", "CodeGen/Gemm"],
    "CodeGen/LowBit": [*CODEGEN, "CodeGen/Emitter", "CodeGen/Analysis", "CodeGen/Contractions", "CodeGen/Target"],
    "CodeGen/Rows": [*CODEGEN, "CodeGen/Emitter", "CodeGen/Target", "CodeGen/Analysis"],
    "CodeGen/Tensors": [*CODEGEN, "CodeGen/Target", "CodeGen/Analysis"],
    "CodeGen/Kernels": [*CODEGEN, "CodeGen/Target", "CodeGen/Analysis"],
    "CodeGen/Lowering": [*CODEGEN, *(f"CodeGen/{folder}" for folder in ("Emitter", "Target", "Analysis", "Gemm", "Contractions", "LowBit", "Rows"))],
    "CodeGen/Memory": CODEGEN,
    "Quantization": ["Support"],
    "Support": [],
    "Runtime": [],
    "Target/Native": ["CodeGen", "Runtime", "Support"],
    "JIT": [*IR, "Dialect/QNN", "Conversion", "CodeGen", "Target/Native", "Support"],
    "Calibration": ["Dialect/QNN", "Conversion", "JIT", "Target/Native", "Quantization", "Support"],
    "Report": [*IR, "Calibration", "Quantization"],
    "Profile": ["CodeGen", "JIT", "Target/Native", "Report"],
    "Pipelines": ["Dialect", "Conversion", "CodeGen", "JIT", "Target/Native", "Calibration", "Quantization", "Support"],
    "Driver": ["Dialect", "Conversion", "CodeGen", "JIT", "Target", "Pipelines", "Runtime", "Calibration", "Quantization", "Report", "Profile", "Support"],
}


# What is at the top level, besides dot files.
TOP = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "cmake"}
TOP |= {"docs", "include", "lib", "python", "test", "tools"}


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def layer_of(path):
    """The layer that `Dialect/QNN/IR/X.h` (below lib/ or include/quantc/) is in."""
    matches = [layer for layer in LAYERS if path == layer or path.startswith(layer + "/")]
    return max(matches, key=len, default=None)


def check_layering():
    for path in tracked("lib/**", "include/quantc/**"):
        if path.suffix not in (".h", ".cpp", ".c", ".td"):
            continue
        relative = path.relative_to(ROOT)
        inside = re.sub(r"^(lib|include/quantc)/", "", relative.as_posix())
        layer = layer_of(inside)
        if layer is None:
            if "/" in inside:
                yield f"{relative}: its folder is in no layer (see LAYERS in {Path(__file__).name})"
            continue
        allowed = [layer, *LAYERS[layer]]
        text = path.read_text()
        for included in re.findall(r'include "quantc/([^"]+)"', text):
            if not any(included.startswith(a + "/") for a in allowed):
                yield f"{relative}: {layer} must not include quantc/{included}"
        for included in re.findall(r'include "([^"]+)"', text):
            # A private header: beside the file, or by its path in lib/.
            header = next((h for h in (path.parent / included, ROOT / "lib" / included) if h.is_file()), None)
            if header and layer_of(header.resolve().relative_to(ROOT / "lib").as_posix()) not in allowed:
                yield f"{relative}: {layer} must not include {included}"


def check_layers():
    """Layers must not include each other in a circle."""
    # "Dialect" is no layer of its own, but stands for those in it.
    below = {
        layer: [other for name in allowed for other in LAYERS if other == name or (name not in LAYERS and other.startswith(name + "/"))]
        for layer, allowed in LAYERS.items()
    }
    try:
        graphlib.TopologicalSorter(below).prepare()
    except graphlib.CycleError as error:
        yield f"layers in a circle: {' -> '.join(error.args[1])}"


def definitions(text, base):
    """Names and bodies of `def X : base<...> ... { ... }`, by counting braces."""
    text = re.sub(r"//[^\n]*", "", text)
    for match in re.finditer(rf"^def (\w+)\s*:\s*{base}\b[^;{{]*?{{", text, re.M):
        depth, position = 1, match.end()
        while depth and position < len(text):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            position += 1
        yield match.group(1), text[match.end() : position]


def check_documentation():
    for path in tracked("include/**.td", "test/**.td"):
        text = path.read_text()
        for base in (r"(?:Pass|InterfacePass)", r"QNN_\w*Op"):
            for name, body in definitions(text, base):
                where = f"{path.relative_to(ROOT)}: {name}"
                summary = re.search(r'let summary\s*=\s*((?:"[^"]*"\s*)+)', body)
                description = re.search(r"let description\s*=\s*\[\{(.*?)\}\]", body, re.S)
                if not summary or len(summary.group(1).split()) < 3:
                    yield f"{where} needs a summary that says what it does"
                # Some ops are what their summary says, a pass never is.
                if "Pass" in base and (not description or len(description.group(1).split()) < 8):
                    yield f"{where} needs a description"


def check_tests():
    for path in tracked("test/**.mlir", "test/**.test"):
        if "Inputs" in path.parts:
            continue
        text = path.read_text()
        if "RUN:" not in text:
            yield f"{path.relative_to(ROOT)}: has no RUN line"
        elif not re.search(r"RUN:.*(FileCheck|verify-diagnostics|\bnot\b|\bdiff\b|\bcmp\b)", text):
            yield f"{path.relative_to(ROOT)}: runs something and checks nothing"


def check_sources():
    for path in tracked("include/**", "lib/**", "tools/**", "test/**", "python/**"):
        relative = path.relative_to(ROOT)
        if path.suffix not in (".h", ".cpp", ".c", ".td", ".py"):
            continue
        lines = path.read_text().splitlines()
        if len(lines) > MAX_LINES:
            yield f"{relative}: {len(lines)} lines; split it by what its parts do"
        if path.suffix in (".h", ".cpp", ".td") and lines and not lines[0].startswith(("//===-", "/*===-")):
            yield f"{relative}: the first line does not say what the file is"


def check_top():
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    for name in sorted(names - TOP):
        if not name.startswith("."):
            yield f"{name}: is outside of the layout"


def main():
    errors = [e for check in (check_top, check_layers, check_layering, check_documentation, check_tests, check_sources) for e in check()]
    print(*errors, sep="\n")
    print(f"{len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
