"""Options of the tools that exclude each other, or have no such value: an error that names them, and no output."""

import onnx
import pytest
from onnx import parser

MODEL = '<ir_version: 10, opset_import: ["" : 21]> g (float[2, 3] x) => (float[2, 3] y) { y = Relu (x) }'


@pytest.fixture(scope="module")
def folder(tmp_path_factory, quantc_cli):
    folder = tmp_path_factory.mktemp("options")
    onnx.save(parser.parse_model(MODEL), folder / "relu.onnx")
    quantc_cli.ok("compile", folder / "relu.onnx", "-o", folder / "relu.so")
    return folder


@pytest.mark.parametrize(
    "args, text",
    [
        (["compile", "relu.onnx", "--emit=machine"], "--emit=machine: use import, linalg, llvm, asm, obj or lib"),
        (["compile", "relu.onnx", "--prefix=2d"], "--prefix=2d cannot begin the name of a C function"),
        (["export", "relu.onnx", "-o", "out.onnx", "--integer-ops", "--qdq"], "--integer-ops and --qdq exclude each other"),
        (["calibrate", "relu.onnx", "--data=none.npz", "--method=mode"], "--method: "),
        (["calibrate", "relu.onnx", "--data=none.npz", "--values=some"], "--values=some: use quantizable or all"),
        (["stats", "merge", "a.stats"], "stats merge: give -o"),
        (["stats", "split", "a.stats"], "stats split: use merge or show"),
        (["stats", "show", "a.stats", "--method=mode"], "--method: "),
        (["bench", "relu.so", "--runs=0"], "--runs must be positive"),
        (["bench", "relu.so", "--html=page.html"], "--html goes with --profile"),
        (["tune", "relu.onnx", "--kernels", "--bits=8"], "--bits is for a recipe: leave it out with --kernels"),
        (["tune", "relu.onnx", "--kernels", "--rounds=0"], "--rounds must be positive"),
        (["tune", "relu.onnx", "--max-loss=0"], "--max-loss must be positive"),
        (["tune", "relu.onnx", "--max-loss=0.1", "--samples=0"], "--runs and --samples must be positive"),
        (["tune", "relu.onnx", "--minimize=pain"], "--minimize=pain: use latency or bytes"),
        (["info"], "info: which model?"),
    ],
)  # fmt: skip
def test_options(folder, quantc_cli, args, text):
    before = sorted(folder.iterdir())
    done = quantc_cli(*args, cwd=folder)
    assert done.returncode == 1 and text in done.stderr and not done.stdout, done
    assert sorted(folder.iterdir()) == before
