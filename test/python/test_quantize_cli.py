"""`quantc compile --quantize` and `quantc export` as users type them."""

import numpy as np
import onnx
import pytest
from test_quantization import SIZE, make_cnn, oracle, sqnr, unseen

import quantc


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    onnx.save(make_cnn(), path / "model.onnx")
    rng = np.random.default_rng(1)
    np.savez(path / "data.npz", x=rng.standard_normal((16, 3, SIZE, SIZE)).astype(np.float32))
    return path


def test_compile_in_one_go(folder, quantc_cli):
    done = quantc_cli(
        "compile",
        folder / "model.onnx",
        "--quantize=w8a8",
        f"--calibration={folder / 'data.npz'}",
        "-o",
        folder / "model.so",
        "--print-stats",
    )
    assert done.returncode == 0, done.stderr
    assert "ops quantized                     4" in done.stderr
    assert "ops left in float                 0" in done.stderr
    x = unseen()
    output = quantc.load(folder / "model.so").run(x)[0]
    assert sqnr(oracle(str(folder / "model.onnx"), x), output) > 25


def test_recipe_file_and_reasons(folder, quantc_cli):
    (folder / "recipe.yaml").write_text("base: w8\nskip: [head]\n")
    done = quantc_cli(
        "compile",
        folder / "model.onnx",
        f"--quantize={folder / 'recipe.yaml'}",
        "-o",
        folder / "weights.so",
        "--print-stats",
    )
    assert done.returncode == 0, done.stderr
    assert "node 'head' stays in float: the recipe says so (skip[0])" in done.stderr


def test_remarks(folder, quantc_cli):
    (folder / "recipe.yaml").write_text("base: w8a8\nskip: [head]\n")
    done = quantc_cli(
        "compile",
        folder / "model.onnx",
        f"--quantize={folder / 'recipe.yaml'}",
        f"--calibration={folder / 'data.npz'}",
        "-o",
        folder / "mixed.so",
        "--target=x86-64-v3",
        "--print-remarks",
    )
    assert done.returncode == 0, done.stderr
    assert "node 'head': stays in float: the recipe says so (skip[0])" in done.stderr
    assert "computes with floats, in one loop with this" in done.stderr
    assert "sums of two products in 16 bits could saturate: all bytes are widened, as" in done.stderr
    assert "node 'head': multiplies one number at a time in blocks of" in done.stderr


def test_quantized_graph_is_printed(folder, quantc_cli):
    text = quantc_cli.ok("compile", folder / "model.onnx", "--quantize=w8a8-dynamic", "--emit=import")
    assert text.count("qnn.dynamic_quantize") == 4


def test_export(folder, quantc_cli):
    path = folder / "quantized.onnx"
    quantc_cli.ok(
        "export",
        folder / "model.onnx",
        "--quantize=w8a8",
        f"--calibration={folder / 'data.npz'}",
        "-o",
        path,
    )
    ops = {node.op_type for node in onnx.load(path).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv", "MatMul"} <= ops
    assert "BatchNormalization" not in ops


def test_errors(folder, quantc_cli):
    target = folder / "none.so"
    done = quantc_cli("compile", folder / "model.onnx", "--quantize=w8a8", "-o", target)
    assert done.returncode == 1
    assert "needs statistics" in done.stderr
    assert not target.exists()
