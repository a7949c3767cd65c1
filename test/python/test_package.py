"""The Python package: compile, load, run, errors, threads."""

import threading
import time

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper

import quantc


def make_model(op="Add", elem=TensorProto.FLOAT, shape=("n", 4), other=(4,)):
    graph = helper.make_graph(
        [helper.make_node(op, ["a", "b"], ["y"], name="the_node")],
        "tiny",
        [
            helper.make_tensor_value_info("a", elem, shape),
            helper.make_tensor_value_info("b", elem, other),
        ],
        [helper.make_tensor_value_info("y", elem, shape)],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )


@pytest.fixture(scope="module")
def model():
    return quantc.compile(make_model())


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


def test_description(model):
    assert [(i.name, i.dtype, i.shape) for i in model.inputs] == [
        ("a", "float32", ("n", 4)),
        ("b", "float32", (4,)),
    ]
    assert model.outputs[0].name == "y"
    assert model.name == "tiny"


def test_one_library_for_all_sizes(model):
    b = np.arange(4, dtype=np.float32)
    for n in (1, 3, 1000, 0):
        (y,) = model.run({"a": ones(n, 4), "b": b})
        np.testing.assert_array_equal(y, ones(n, 4) + b)


def test_ways_to_pass_inputs(model):
    a, b = ones(2, 4), ones(4)
    for outputs in (model.run(a, b), model.run([a, b]), model.run({"b": b, "a": a})):
        assert len(outputs) == 1 and outputs[0].shape == (2, 4)


def test_strided_inputs_are_copied(model):
    a = np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))
    np.testing.assert_array_equal(model.run(a, ones(4))[0], a + 1)
    a = np.arange(48, dtype=np.float32).reshape(6, 8)[::-2, ::2]
    np.testing.assert_array_equal(model.run(a, ones(4))[0], a + 1)


class OnlyDLPack:
    """A tensor of some other library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack_in_and_out(model):
    (y,) = model.run(OnlyDLPack(ones(2, 4)), ones(4))
    np.testing.assert_array_equal(np.from_dlpack(y), 2 * ones(2, 4))


def test_outputs_outlive_the_model():
    model = quantc.compile(make_model())
    y = model.run(ones(1000, 4), ones(4))[0]
    del model
    assert (y == 2).all()
    y += 1  # and belong to the caller


@pytest.mark.parametrize(
    "inputs, text",
    [
        ((ones(2, 5), ones(4)), r"input 'a': expected shape \[n,4\], got \[2,5\]"),
        ((ones(4), ones(4)), r"input 'a': expected shape \[n,4\], got \[4\]"),
        ((ones(2, 4, dtype=np.float64), ones(4)), "'a': expected elements of type float32, got float64"),
        ((ones(2, 4), ones(4, dtype=np.int32)), "'b': expected elements of type float32, got int32"),
        ((ones(2, 4),), "expected 2 inputs, got 1"),
        (({"a": ones(2, 4)},), "input 'b' is missing"),
        (({"a": ones(2, 4), "b": ones(4), "z": ones(1)},), "no input 'z'"),
    ],
)  # fmt: skip
def test_wrong_inputs(model, inputs, text):
    with pytest.raises(quantc.RunError, match=text):
        model.run(*inputs)


def test_symbolic_dimensions_must_agree():
    model = quantc.compile(make_model(shape=("n", 4), other=("n", 4)))
    with pytest.raises(quantc.RunError, match=r"input 'b': dimension 0 \('n'\) is 3, but 'n' is 2 in input 'a'"):  # fmt: skip
        model.run(ones(2, 4), ones(3, 4))


def test_shapes_pin_dimensions():
    model = quantc.compile(make_model(), shapes={"a": (7, 4)})
    assert model.inputs[0].shape == (7, 4)
    with pytest.raises(quantc.RunError):
        model.run(ones(6, 4), ones(4))


def test_compile_errors(tmp_path):
    with pytest.raises(quantc.CompileError):
        quantc.compile(b"not a model")
    with pytest.raises(quantc.CompileError, match="nowhere.onnx"):
        quantc.compile(tmp_path / "nowhere.onnx")
    with pytest.raises(quantc.CompileError, match="unknown target 'z80'"):
        quantc.compile(make_model(), target="z80")
    unsupported = make_model()
    unsupported.graph.node[0].op_type = "NoSuchOp"
    unsupported.graph.node[0].domain = "some.domain"
    unsupported.opset_import.append(helper.make_opsetid("some.domain", 1))
    with pytest.raises(quantc.CompileError, match="NoSuchOp"):
        quantc.compile(unsupported)


def test_load_errors(tmp_path):
    (tmp_path / "text.so").write_text("not a library")
    for name in ("missing.so", "text.so"):
        with pytest.raises(quantc.RunError, match=name):
            quantc.load(tmp_path / name)


def test_a_replaced_library_is_loaded_anew(tmp_path):
    """The loader knows a library by its name, and a notebook compiles to one name again and again."""
    path, models = tmp_path / "m.so", []
    for op in ("Add", "Sub", "Mul", "Add"):
        models.append(quantc.compile(make_model(op), output=path))
    models.append(quantc.load(path))
    a, b = ones(2, 4) * 3, ones(4) * 2
    assert [model.run(a, b)[0][0, 0] for model in models] == [5, 1, 6, 5, 5]


def test_load_is_fast(tmp_path):
    quantc.compile(make_model(), output=tmp_path / "m.so")
    start = time.perf_counter()
    quantc.load(tmp_path / "m.so")
    assert time.perf_counter() - start < 0.1


def test_four_threads_at_a_time(model):
    errors = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for n in rng.integers(1, 3000, 50):
            a, b = rng.random((n, 4), np.float32), rng.random(4, np.float32)
            try:
                np.testing.assert_array_equal(model.run(a, b)[0], a + b)
                with pytest.raises(quantc.RunError, match=f"got .{n},3"):
                    model.run(a[:, :3], b)
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


def test_backend_interface():
    import quantc.backend as backend

    assert backend.supports_device("CPU") and not backend.supports_device("CUDA")
    outputs = backend.run_model(make_model(), [ones(2, 4), ones(4)])
    np.testing.assert_array_equal(outputs.y, 2 * ones(2, 4))
    node = helper.make_node("Mul", ["p", "q"], ["r"])
    (r,) = backend.run_node(node, [2 * ones(3), 3 * ones(3)])
    np.testing.assert_array_equal(r, 6 * ones(3))


def test_model_proto_bytes_and_path_are_equal(tmp_path):
    onnx.save(make_model(), tmp_path / "m.onnx")
    libraries = []
    for i, source in enumerate(
        (make_model(), make_model().SerializeToString(), tmp_path / "m.onnx")
    ):
        (tmp_path / str(i)).mkdir()
        quantc.compile(source, output=tmp_path / str(i) / "m.so")
        libraries.append((tmp_path / str(i) / "m.so").read_bytes())
    assert libraries[0] == libraries[1] == libraries[2]


def test_types_that_numpy_lacks():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    model = quantc.compile(make_model(elem=TensorProto.BFLOAT16))
    a = np.arange(8).reshape(2, 4).astype(bfloat16)
    (y,) = model.run(a, a[0])
    assert y.dtype == bfloat16
    np.testing.assert_array_equal(y.astype(np.float32), (a + a[0]).astype(np.float32))
    with pytest.raises(quantc.RunError, match="input 'a': expected elements of type float32, got bfloat16"):  # fmt: skip
        quantc.compile(make_model()).run(a, ones(4))


def test_memory_of_a_call(tmp_path):
    model = onnx.parser.parse_model("""
      <ir_version: 8, opset_import: ["" : 17]>
      g (float[n,64] x, float[64,64] w) => (float[n,64] y) { h = MatMul(x, w) s = Tanh(h) y = MatMul(s, w) }
    """)
    onnx.save(model, tmp_path / "model.onnx")
    assert quantc.compile(tmp_path / "model.onnx").scratch_bytes == 0  # not known
    pinned = quantc.compile(tmp_path / "model.onnx", shapes={"x": [32, 64]})
    assert 32 * 64 * 4 <= pinned.scratch_bytes <= 2 * 32 * 64 * 4 + 1024
    assert pinned.weight_bytes == 0
