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
    # What nobody asked for is not left out in silence.
    for command in ("compile", "export"):
        for flag in ("--stats=model.stats", f"--calibration={folder / 'data.npz'}"):
            done = quantc_cli(command, folder / "model.onnx", flag, "-o", target)
            assert done.returncode == 1 and "but no recipe: say how to quantize" in done.stderr
            assert not target.exists()


def test_report_on_data_that_are_no_numbers(folder, quantc_cli):
    x = np.load(folder / "data.npz")["x"]
    np.savez(folder / "nan.npz", x=np.where(np.arange(SIZE) == 5, np.nan, x).astype(np.float32))
    quantc_cli.ok("calibrate", folder / "model.onnx", f"--data={folder / 'data.npz'}", "-o", folder / "model.stats")
    flags = f"--data={folder / 'nan.npz'}", f"--stats={folder / 'model.stats'}"
    done = quantc_cli("report", folder / "model.onnx", *flags, "-o", folder / "none.html")
    assert done.returncode == 1 and "sample 0: output 'y' is NaN in float" in done.stderr
    assert not (folder / "none.html").exists()


def make_depthwise(path):
    """Depthwise, 3x3 and 5x5, and an ordinary convolution: nothing between that computes."""
    rng = np.random.default_rng(0)
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["x", "w0"], ["a"], "narrow", pads=[1] * 4, group=32),
        make("Conv", ["a", "w1"], ["b"], "wide", pads=[2] * 4, group=32),
        make("Conv", ["b", "w2"], ["y"], "full", pads=[1] * 4),
    ]
    weights = [(32, 1, 3, 3), (32, 1, 5, 5), (32, 32, 3, 3)]
    tensors = [onnx.numpy_helper.from_array(rng.standard_normal(s).astype(np.float32), f"w{i}") for i, s in enumerate(weights)]
    shape = (1, 32, 48, 48)
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "xy")
    graph = onnx.helper.make_graph(nodes, "depthwise", [x], [y], tensors)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)
    return rng.standard_normal(shape).astype(np.float32)


def test_layers_that_integers_make_slower(tmp_path, quantc_cli):
    """What is predicted depends on the target, and never on the machine that compiles."""
    model = tmp_path / "model.onnx"
    np.savez(tmp_path / "data.npz", x=make_depthwise(model))
    quantc_cli("calibrate", model, f"--data={tmp_path / 'data.npz'}", "-o", tmp_path / "model.stats")

    def remarks(target, recipe="w8a8", *command):
        done = quantc_cli(
            *(command or ("compile", "--emit=obj", "--print-stats", "-o", tmp_path / "model.o")),
            model, f"--quantize={recipe}", f"--stats={tmp_path / 'model.stats'}", f"--target={target}",
        )
        assert done.returncode == 0, done.stderr
        return [line for line in done.stderr.splitlines() if "predicted to take" in line], done.stderr

    found, text = remarks("x86-64-v3")
    assert len(found) == 1 and "node 'narrow' stays in float" in found[0] and "million cycles" in found[0]
    assert "`slower-layers: integer`" in found[0]
    assert "ops slower in integers            1" in text and "ops quantized                     2" in text
    # Nothing multiplies bytes there.
    assert [line.split("'")[1] for line in remarks("aarch64")[0]] == ["narrow", "wide", "full"]
    # A library for several machines has one graph.
    assert not remarks("x86-64-v4,+avx512vnni")[0]
    assert not remarks("x86-64-v4,+avx512vnni/x86-64-v3")[0]
    # Who insists gets integers, for all layers or for some.
    found, text = remarks("x86-64-v3", "w8a8-insist")
    assert not found and "ops quantized                     3" in text
    some = quantc.Recipe("w8a8", overrides=[quantc.recipe.Override(node="w*", slower_layers="integer")])
    assert [line.split("'")[1] for line in remarks("aarch64", some.to_yaml())[0]] == ["narrow", "full"]
    # A report says so, too, and an exported model is the library's.
    data = f"--data={tmp_path / 'data.npz'}"
    assert len(remarks("x86-64-v3", "w8a8", "report", data)[0]) == 1
    exported = tmp_path / "exported.onnx"
    for target, layers in (("x86-64-v3", 2), ("x86-64-v4,+avx512vnni", 3)):
        remarks(target, "w8a8", "export", "--qdq", "-o", exported)
        nodes = onnx.load(exported).graph.node
        quantized = {n.output[0] for n in nodes if n.op_type == "DequantizeLinear"}
        assert sum(n.op_type == "Conv" and n.input[1] in quantized for n in nodes) == layers
