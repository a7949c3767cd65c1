"""`quantc compile --print-memory-plan` lists what a call allocates, in kernels too."""

import re

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

ROW = re.compile(r"^(call|thread) +(\S+) +(.+?) {2,}(.+)$", re.M)


def print_plan(quantc_cli, folder, nodes, inputs, constants=()):
    graph = helper.make_graph(
        nodes,
        "plan",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in dict(constants).items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "m.onnx")
    text = quantc_cli.ok(
        "compile", folder / "m.onnx", "--print-memory-plan", "--target=x86-64-v3", "-o", folder / "m.so"
    )
    most = re.search(r"take at most (\d+) bytes, and (\d+) bytes a thread", text)
    return [row.groups() for row in ROW.finditer(text)], int(most[1]), int(most[2])


def test_padded_image(quantc_cli, tmp_path):
    """Each kernel has a copy of its image with padding; they run one after another."""
    filters = {"w": np.ones((64, 64, 3, 3), np.float32), "v": np.ones((32, 64, 5, 5), np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["t"], name="first", pads=[1] * 4),
        helper.make_node("Conv", ["t", "v"], ["y"], name="second", pads=[2] * 4),
    ]
    rows, most, per_thread = print_plan(quantc_cli, tmp_path, nodes, {"x": [1, 64, 56, 56]}, filters)
    copies = {node: int(size) for kind, function, node, size in rows if function != "main" and kind == "call"}
    assert set(copies) == {"first", "second"}
    for node, side in (("first", 58), ("second", 60)):
        # The image, and what vectors read behind its end.
        assert 0 <= copies[node] - 64 * side * side * 4 <= 4096
    assert (most, per_thread) == (max(copies.values()), 0)
    assert ("call", "main", "second", str(32 * 56 * 56 * 4)) in rows


@pytest.mark.parametrize("sizes", [[1, 2, 1024, 64], ["batch", 2, "sequence", 64]])
def test_panels_of_attention(quantc_cli, tmp_path, sizes):
    """Panels of keys and of values, and blocks of scores and of weights, for each thread: as a number, or as a formula."""
    nodes = [
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["s"], name="scores"),
        helper.make_node("Softmax", ["s"], ["p"], name="softmax"),
        helper.make_node("MatMul", ["p", "v"], ["y"], name="values"),
    ]
    rows, most, per_thread = print_plan(quantc_cli, tmp_path, nodes, dict.fromkeys("qkv", sizes))
    panels = [size for kind, function, _, size in rows if kind == "thread"]
    assert len(panels) == 4 and most == 0
    if sizes[0] == 1:
        assert sum(map(int, panels)) == per_thread >= 2 * 1024 * 64 * 4
    else:
        assert per_thread == 0 and all("sequence" in size for size in panels)
        assert ("call", "main", "values", "512 * batch * sequence") in rows
