"""quantc tune --kernels: blocks of products, in a file that compile reads."""

import re

import numpy as np
import onnx
import pytest
import quantc
from onnx import TensorProto, helper, numpy_helper

TARGETS = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v4,+avx512vnni"]

# Blocks that no cost model would choose.
ODD = [
    {"rows": 1, "vectors": 1, "depth": 4, "block-rows": 1, "block-columns": 1},
    {"rows": 5, "vectors": 1, "depth": 24, "block-rows": 7},
    {"rows": 3, "vectors": 4, "depth": 40, "block-columns": 333},
    {"vectors": 3, "rows": 4, "block-rows": 4096, "block-columns": 4096, "depth": 65536},
]


def save(folder):
    """Products of bytes of each signedness, a convolution, and products of floats."""
    rng = np.random.default_rng(3)
    inputs, constants, nodes, outputs = {}, [], [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(value, name))
        return name

    for sign, dtype in (("u", np.uint8), ("s", np.int8)):
        info = np.iinfo(dtype)
        inputs[f"a{sign}"] = rng.integers(info.min, info.max + 1, (37, 83), dtype)
        weight = constant(f"w{sign}", rng.integers(-128, 128, (83, 53), np.int8))
        zero = constant(f"z{sign}", np.array(3, dtype))
        none = constant(f"n{sign}", np.array(0, np.int8))
        nodes.append(helper.make_node("MatMulInteger", [f"a{sign}", weight, zero, none], [f"y{sign}"]))
        outputs.append((f"y{sign}", TensorProto.INT32))
    inputs["image"] = rng.integers(0, 256, (1, 11, 13, 17), np.uint8)
    zero = constant("zi", np.array(128, np.uint8))
    for name, channels, kernel, pads in (("window", 19, 3, [1] * 4), ("point", 21, 1, [0] * 4)):
        weight = constant(f"w{name}", rng.integers(-128, 128, (channels, 11, kernel, kernel), np.int8))
        nodes.append(helper.make_node("ConvInteger", ["image", weight, zero], [f"y{name}"], pads=pads))
        outputs.append((f"y{name}", TensorProto.INT32))
    inputs["x"] = rng.standard_normal((29, 700)).astype(np.float32)
    nodes.append(
        helper.make_node("MatMul", ["x", constant("wx", rng.standard_normal((700, 45)).astype(np.float32))], ["yx"])
    )
    outputs.append(("yx", TensorProto.FLOAT))
    inputs["planes"] = rng.standard_normal((1, 9, 12, 15)).astype(np.float32)
    filters = constant("wc", rng.standard_normal((13, 9, 3, 3)).astype(np.float32))
    nodes.append(helper.make_node("Conv", ["planes", filters], ["yc"], pads=[1] * 4))
    outputs.append(("yc", TensorProto.FLOAT))
    graph = helper.make_graph(
        nodes,
        "products",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in inputs.items()
        ],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), folder / "model.onnx")
    return inputs


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    return folder, save(folder)


def find_products(quantc_cli, folder, target, *more):
    """What remarks call the products, and the target's name in the file."""
    done = quantc_cli(
        "compile", folder / "model.onnx", f"--target={target}", "--print-remarks", "-o", folder / "remarks.so", *more
    )
    assert done.returncode == 0, done.stderr
    output = done.stderr
    names = set(re.findall(r"in blocks of \d+ x \d+: (.*)", output))
    features = set(quantc.load(folder / "remarks.so").features)
    known = ["amx-int8", "avx512f", "avx512bw", "avx512vnni", "avx512vbmi", "avx2", "avxvnni", "fma", "ssse3", "sse2"]
    return names, ",".join(f for f in known if f in features), output


def write_choices(path, target, names, blocks):
    lines = ["version: 1", "kernels:"]
    for name in sorted(names):
        lines += [f"  - target: '{target}'", f"    kernel: '{name}'"]
        lines += [f"    {key}: {value}" for key, value in blocks.items()]
    path.write_text("\n".join([*lines, ""]))


@pytest.mark.parametrize("target", TARGETS)
def test_results_do_not_depend_on_blocks(files, quantc_cli, target):
    folder, inputs = files
    names, described, _ = find_products(quantc_cli, folder, target)
    assert len(names) == 6
    try:
        expected = quantc.compile(folder / "model.onnx", target=target).run(inputs)
    except quantc.RunError as error:
        if "this processor lacks" not in str(error):
            raise
        pytest.skip(str(error))
    for blocks in ODD:
        write_choices(folder / "odd.yaml", described, names, blocks)
        model = quantc.compile(folder / "model.onnx", target=target, kernels=folder / "odd.yaml")
        for threads in (1, 3):
            model.set_num_threads(threads)
            for output, result, wanted in zip(model.outputs, model.run(inputs), expected):
                np.testing.assert_array_equal(result, wanted, err_msg=f"{output.name} {blocks} {threads}")


def test_remarks_say_what_comes_from_the_file(files, quantc_cli):
    folder, _ = files
    names, described, output = find_products(quantc_cli, folder, "x86-64-v3")
    assert "blocks of a file" not in output
    write_choices(folder / "some.yaml", described, sorted(names)[:2], {"rows": 2, "vectors": 1})
    _, _, output = find_products(quantc_cli, folder, "x86-64-v3", f"--kernels={folder / 'some.yaml'}")
    assert output.count("takes the blocks of a file: 2 x 1 registers") == 2
    # Another target's are others.
    _, _, output = find_products(quantc_cli, folder, "x86-64-v2", f"--kernels={folder / 'some.yaml'}")
    assert "blocks of a file" not in output


def test_mistakes_in_the_file(files, quantc_cli, tmp_path):
    folder, _ = files

    def compile_with(text):
        (tmp_path / "kernels.yaml").write_text(text)
        done = quantc_cli("compile", folder / "model.onnx", f"--kernels={tmp_path / 'kernels.yaml'}", "-o", tmp_path / "m.so")
        assert done.returncode == 1 and not (tmp_path / "m.so").exists()
        return done.stderr

    entry = "version: 1\nkernels:\n  - target: avx2\n    kernel: k\n    {}\n"
    assert "unknown key 'width'" in compile_with(entry.format("width: 3"))
    assert "depth is -4" in compile_with(entry.format("depth: -4"))
    assert "invalid number" in compile_with(entry.format("rows: many"))
    assert "missing required key 'kernels'" in compile_with("version: 1\n")
    done = quantc_cli("compile", folder / "model.onnx", "--kernels=nowhere.yaml", "-o", tmp_path / "m.so")
    assert done.returncode == 1 and "cannot read 'nowhere.yaml'" in done.stderr


def test_the_search_writes_a_file_that_compile_takes(files, quantc_cli, tmp_path):
    folder, inputs = files
    tuned = quantc.tune_kernels(folder / "model.onnx", tmp_path / "found.yaml", inputs, rounds=1)
    assert len(tuned.kernels) == 6 and not any(k["known"] for k in tuned.kernels)
    assert all(k["seconds"] > 0 and k["blocks"]["rows"] > 0 for k in tuned.kernels)
    text = (tmp_path / "found.yaml").read_text()
    assert text.count("kernel:") == 6
    expected = quantc.compile(folder / "model.onnx").run(inputs)
    for result, wanted in zip(quantc.compile(folder / "model.onnx", kernels=tuned).run(inputs), expected):
        np.testing.assert_array_equal(result, wanted)
    # What the file knows is not searched again.
    np.savez(tmp_path / "inputs.npz", **inputs)
    output = quantc_cli.ok(
        "tune", folder / "model.onnx", "--kernels", f"--inputs={tmp_path / 'inputs.npz'}", "--rounds=1",
        "-o", tmp_path / "found.yaml",
    )  # fmt: skip
    assert output.count("(known)") == 6 and "a run" in output
    assert (tmp_path / "found.yaml").read_text() == text
    done = quantc_cli("tune", folder / "model.onnx", "--kernels", "--max-loss=1")
    assert done.returncode == 1 and "--max-loss is for a recipe" in done.stderr


def test_the_search_measures_a_quantized_model(tmp_path, quantc_cli):
    rng = np.random.default_rng(4)
    weight = numpy_helper.from_array(rng.standard_normal((64, 96)).astype(np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 96])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    np.savez(tmp_path / "data.npz", x=rng.standard_normal((8, 32, 64)).astype(np.float32))
    recipe = ["--quantize=w8a8", f"--calibration={tmp_path / 'data.npz'}"]
    quantc_cli.ok("tune", tmp_path / "model.onnx", "--kernels", "--rounds=1", "--shape=x:32x64", *recipe)
    text = (tmp_path / "model.kernels.yaml").read_text()
    assert "32x64xi8" in text or "32x64xui8" in text
    # The quantized model has the same products when it is compiled at once.
    done = quantc_cli(
        "compile", tmp_path / "model.onnx", "--shape=x:32x64", *recipe, "--print-remarks",
        f"--kernels={tmp_path / 'model.kernels.yaml'}", "-o", tmp_path / "model.so",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Behind the float product of the calibration.
    name = re.findall(r"in blocks of \d+ x \d+: (.*)", done.stderr)[-1]
    assert f"kernel:          '{name}'" in text
