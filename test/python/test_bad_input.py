"""Bad models and bad inputs: an error that says what is wrong, and nothing else.

Each case must exit with 1 (never by a signal), name the node, the input or the
file, and leave no output behind.
"""

import os
import re
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
X = helper.make_tensor_value_info("x", FLOAT, [2, 3])


def value(name, shape=(2, 3), kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs=(X,), outputs=None, initializers=(), opset=21, domains=(), **kwargs):
    outputs = outputs or [value("y", [None, None])]
    graph = helper.make_graph(list(nodes), "bad", list(inputs), list(outputs), list(initializers), **kwargs)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def relu():
    return model([helper.make_node("Relu", ["x"], ["y"], name="act")])


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def external(location, offset=0, length=24):
    """A weight whose bytes are in another file."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL)
    for key, entry in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=entry)
    return model([helper.make_node("Add", ["x", "w"], ["y"], name="bias")], initializers=[tensor])


def unknown_kernel():
    """What only the lowering refuses."""
    shapes = {"x": [1, 4, 8, 8], "w": ["o", "c", 3, 3], "offset": [1, 18, 6, 6], "y": [1, "o", 6, 6]}
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    node = helper.make_node("DeformConv", ["x", "w", "offset"], ["y"], name="culprit")
    graph = helper.make_graph([node], "deform", [values[name] for name in node.input], [values["y"]])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def short_initializer():
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2, 3], raw_data=b"\0" * 8)
    return model([helper.make_node("Add", ["x", "w"], ["y"], name="bias")], initializers=[tensor])


def huge_initializer():
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2**31, 2**31, 2**31], raw_data=b"\0" * 16)
    return model([helper.make_node("Identity", ["w"], ["y"], name="copy")], inputs=[], initializers=[tensor])


def negative_dimension():
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[-2, 3], raw_data=b"\0" * 24)
    return model([helper.make_node("Identity", ["w"], ["y"], name="copy")], inputs=[], initializers=[tensor])


def node(kind, inputs=("x",), name="culprit", initializers=(), outputs=("y",), domain="", **attributes):
    made = helper.make_node(kind, list(inputs), list(outputs), name=name, domain=domain, **attributes)
    return model([made], initializers=initializers, domains=[domain] if domain else [])


# name -> (model, what the error must say)
MODELS = {
    "unsupported-op": (lambda: node("NoSuchOp", domain="com.example"), r"NoSuchOp.*com\.example|com\.example.*NoSuchOp"),
    "unknown-standard-op": (lambda: node("Frobnicate"), r"Frobnicate"),
    "all-unsupported-at-once": (
        lambda: model(
            [
                helper.make_node("First", ["x"], ["t"], name="one", domain="com.example"),
                helper.make_node("Second", ["t"], ["y"], name="two", domain="com.example"),
            ],
            domains=["com.example"],
        ),
        r"(?s)First.*Second",
    ),
    "cycle": (
        lambda: model(
            [
                helper.make_node("Add", ["x", "b"], ["a"], name="first"),
                helper.make_node("Relu", ["a"], ["b"], name="second"),
                helper.make_node("Relu", ["b"], ["y"], name="third"),
            ]
        ),
        r"first|second|'b'|\bb\b",
    ),
    "undefined-value": (lambda: node("Relu", ["nowhere"]), r"culprit|nowhere"),
    "defined-twice": (
        lambda: model(
            [helper.make_node("Relu", ["x"], ["y"], name="one"), helper.make_node("Neg", ["x"], ["y"], name="two")]
        ),
        r"two|'y'|\by\b",
    ),
    "missing-output": (lambda: model([helper.make_node("Relu", ["x"], ["z"], name="act")]), r"\by\b"),
    "type-mismatch": (
        lambda: node("Add", ["x", "w"], initializers=[constant("w", np.zeros((2, 3), np.int64))]),
        r"culprit",
    ),
    "shape-mismatch": (
        lambda: node("Add", ["x", "w"], initializers=[constant("w", np.zeros((2, 4), np.float32))]),
        r"culprit",
    ),
    "matmul-mismatch": (
        lambda: node("MatMul", ["x", "w"], initializers=[constant("w", np.zeros((4, 2), np.float32))]),
        r"culprit",
    ),
    "missing-attribute": (lambda: node("Concat", ["x", "x"]), r"culprit"),
    "wrong-attribute-type": (lambda: node("Concat", ["x", "x"], axis="one"), r"culprit"),
    "axis-outside": (lambda: node("Softmax", axis=7), r"culprit"),
    "permutation-repeats": (lambda: node("Transpose", perm=[0, 0]), r"culprit"),
    "reshape-count": (
        lambda: node("Reshape", ["x", "s"], initializers=[constant("s", np.array([4, 2], np.int64))]),
        r"culprit",
    ),
    "too-many-inputs": (lambda: node("Relu", ["x", "x", "x"]), r"culprit"),
    "constant-index-outside": (
        lambda: model(
            [
                helper.make_node("Gather", ["w", "i"], ["g"], name="culprit", axis=0),
                helper.make_node("Add", ["g", "x"], ["y"], name="add"),
            ],
            initializers=[
                constant("w", np.zeros((4, 3), np.float32)),
                constant("i", np.array([1, 9], np.int64)),
            ],
        ),
        r"culprit",
    ),
    "unknown-kernel": (unknown_kernel, r"node 'culprit': .*needs channels and weights of sizes that are known"),
    "short-initializer": (short_initializer, r"\bw\b"),
    "huge-initializer": (huge_initializer, r"\bw\b"),
    "negative-dimension": (negative_dimension, r"\bw\b"),
    "external-outside": (lambda: external("../../secret.bin"), r"secret\.bin|\bw\b"),
    "external-absolute": (lambda: external("/etc/passwd"), r"passwd|\bw\b"),
    "external-missing": (lambda: external("missing.bin"), r"missing\.bin|\bw\b"),
    "external-huge-offset": (lambda: external("data.bin", offset=2**62), r"data\.bin|\bw\b"),
    "external-negative-length": (lambda: external("data.bin", length=-4), r"data\.bin|\bw\b"),
    "external-too-short": (lambda: external("data.bin", length=8), r"data\.bin|\bw\b"),
    "future-opset": (lambda: model([helper.make_node("Relu", ["x"], ["y"], name="act")], opset=999), r"999"),
}


def check_error(done, said, target):
    assert done.returncode >= 0, f"killed by signal {-done.returncode}\n{done.stderr}"
    assert done.returncode == 1, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    assert re.search(said, done.stderr), f"the error does not say {said!r}:\n{done.stderr}"
    assert "PLEASE submit a bug report" not in done.stderr
    left = [path.name for path in target.parent.iterdir() if path.stem.startswith(target.stem)]
    assert not left, f"left behind: {left}"


@pytest.mark.parametrize("name", MODELS)
def test_bad_model(name, quantc_cli, tmp_path):
    make, said = MODELS[name]
    folder = tmp_path / "in" / "deeper"
    folder.mkdir(parents=True)
    (tmp_path / "secret.bin").write_bytes(b"\0" * 24)
    (folder / "data.bin").write_bytes(b"\0" * 24)
    path = folder / "model.onnx"
    path.write_bytes(make().SerializeToString())
    target = tmp_path / "result.so"
    check_error(quantc_cli("compile", path, "-o", target), said, target)


def field(number, payload):
    """A length-delimited field of protobuf's wire format."""
    size, length = len(payload), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + payload


def deep_subgraphs(depth=3000):
    """If inside If inside If: by hand, as protobuf's own writers refuse to."""
    graph = b""
    for _ in range(depth):
        branch = field(1, b"then_branch") + field(6, graph)
        graph = field(1, field(1, b"c") + field(2, b"y") + field(4, b"If") + field(5, branch))
    return b"\x08\x0a" + field(7, graph) + field(8, b"\x10\x15")


def corruptions():
    whole = relu().SerializeToString()
    yield "empty", b""
    yield "not-onnx", b"this is no model at all, whatever its name says\n"
    yield "half", whole[: len(whole) // 2]
    yield "one-byte-short", whole[:-1]
    yield "deep-subgraphs", deep_subgraphs()
    yield "lengths-too-large", whole.replace(b"\x12", b"\xff\xff\xff\xff\x0f", 1)
    rng = np.random.default_rng(7)
    for i in range(12):
        noise = bytearray(whole)
        for position in rng.integers(0, len(noise), 6):
            noise[position] = rng.integers(256)
        yield f"noise{i}", bytes(noise)


@pytest.mark.parametrize("name, data", list(corruptions()), ids=lambda v: v if isinstance(v, str) else "")
def test_corrupt_file(name, data, quantc_cli, tmp_path):
    path, target = tmp_path / "model.onnx", tmp_path / "result.so"
    path.write_bytes(data)
    done = quantc_cli("compile", path, "-o", target)
    if name.startswith("noise") and done.returncode == 0:
        return  # the noise hit a name or a comment
    check_error(done, r"\S", target)


def test_missing_file(quantc_cli, tmp_path):
    target = tmp_path / "result.so"
    check_error(quantc_cli("compile", tmp_path / "nothing.onnx", "-o", target), r"nothing\.onnx", target)


@pytest.mark.parametrize(
    "option, said",
    [
        ("--shape=x:7x3", r"\bx\b"),  # contradicts the model
        ("--shape=z:2x3", r"\bz\b"),  # no such input
        ("--shape=x:2", r"\bx\b"),  # another rank
        ("--shape=nonsense", r"nonsense"),
        ("--target=pdp11", r"pdp11"),
        ("--emit=poetry", r"poetry"),
    ],
)
def test_bad_option(option, said, quantc_cli, tmp_path):
    path, target = tmp_path / "model.onnx", tmp_path / "result.so"
    path.write_bytes(relu().SerializeToString())
    check_error(quantc_cli("compile", path, "-o", target, option), said, target)


def test_unwritable_output(quantc_cli, tmp_path):
    path, target = tmp_path / "model.onnx", tmp_path / "no" / "such" / "folder.so"
    path.write_bytes(relu().SerializeToString())
    for command in (["compile"], ["compile", "--emit=obj"], ["export", "--quantize=w8"]):
        done = quantc_cli(*command, path, "-o", target)
        assert done.returncode == 1
        assert f"cannot write '{target}': there is no folder '{target.parent}'" in done.stderr, done.stderr
    np.savez(tmp_path / "data.npz", x=np.ones((2, 2, 3), np.float32))
    done = quantc_cli("calibrate", path, f"--data={tmp_path / 'data.npz'}", "-o", target)
    assert done.returncode == 1 and "there is no folder" in done.stderr, done.stderr


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_output_that_is_no_file(what, quantc_cli, tmp_path):
    """As root, a library would take the place of /dev/null."""
    path, target = tmp_path / "model.onnx", tmp_path / "target"
    path.write_bytes(relu().SerializeToString())
    os.mkfifo(target) if what == "pipe" else target.mkdir()
    for command in ("compile", "export"):
        done = quantc_cli(command, path, "-o", target)
        assert done.returncode == 1 and f"cannot write '{target}': it is a " in done.stderr, done.stderr
    assert target.is_dir() if what == "folder" else target.is_fifo()
    assert sorted(tmp_path.iterdir()) == [path, target]


def test_folder_without_permission(quantc_cli, tmp_path):
    """Root may write everywhere unless it gives this right away."""
    path, folder = tmp_path / "model.onnx", tmp_path / "locked"
    path.write_bytes(relu().SerializeToString())
    folder.mkdir()
    folder.chmod(0o555)
    setpriv = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    command = [*setpriv, quantc_cli.path, "compile", path, "-o", folder / "model.so"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    folder.chmod(0o755)
    said = f"cannot write '{folder / 'model.so'}': its folder may not be written (Permission denied)"
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert not list(folder.iterdir())


# ------------------------------------------------------------- at run time


@pytest.fixture(scope="module")
def gather(tmp_path_factory):
    """y = table[i] + x, with a dynamic number of rows."""
    import quantc

    path = tmp_path_factory.mktemp("gather") / "gather.onnx"
    nodes = [
        helper.make_node("Gather", ["table", "i"], ["row"], name="lookup", axis=0),
        helper.make_node("Add", ["row", "x"], ["y"], name="add"),
    ]
    table = constant("table", np.arange(12, dtype=np.float32).reshape(4, 3))
    inputs = [value("x", ["rows", 3]), value("i", ["rows"], INT64)]
    path.write_bytes(model(nodes, inputs, [value("y", ["rows", 3])], [table]).SerializeToString())
    return quantc.compile(str(path))


def feeds(rows=2, indices=(0, 3)):
    return {"x": np.ones((rows, 3), np.float32), "i": np.array(indices, np.int64)}


@pytest.mark.parametrize(
    "feed, said",
    [
        (feeds(indices=(0, 4)), r"lookup"),
        (feeds(indices=(-5, 0)), r"lookup"),
        (feeds() | {"x": np.ones((2, 4), np.float32)}, r"\bx\b"),
        (feeds() | {"x": np.ones(3, np.float32)}, r"\bx\b"),
        (feeds() | {"x": np.ones((2, 3))}, r"\bx\b"),
        (feeds() | {"i": np.array([0, 1, 2])}, r"add|rows|\bi\b"),
        ({"x": feeds()["x"]}, r"\bi\b"),
        (feeds() | {"extra": np.ones(1)}, r"extra"),
    ],
    ids=["index-high", "index-low", "width", "rank", "type", "rows-differ", "input-missing", "input-unknown"],
)
def test_bad_run(feed, said, gather):
    import quantc

    with pytest.raises((quantc.RunError, ValueError, TypeError, KeyError)) as error:
        gather.run(feed)
    assert re.search(said, str(error.value)), str(error.value)
    # The model is as good as before.
    (y,) = gather.run(feeds(indices=(-1, 0)))
    np.testing.assert_array_equal(y, [[10, 11, 12], [1, 2, 3]])
