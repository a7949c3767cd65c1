"""Tensors of strings at a model's border: bytes in the library, str in Python."""

import numpy as np
import onnx.parser
import onnxruntime
import pytest
from onnx import TensorProto, helper

import quantc

HEADER = '<ir_version: 10, opset_import: ["" : 21, "ai.onnx.ml" : 4]>'


def compile_text(text):
    return quantc.compile(onnx.parser.parse_model(HEADER + text))


def strings(*texts):
    return np.array(texts, object)


def test_border():
    model = compile_text("g (string[n] x, string[n] w) => (string[n] y) { y = StringConcat(x, w) }")
    assert [(i.dtype, i.shape) for i in model.inputs] == [
        ("uint8", ("n", "utf8:x")),
        ("uint8", ("n", "utf8:w")),
    ]
    # Strings of two inputs are as long as they are.
    (y,) = model.run({"x": strings("a", "", "äö"), "w": strings("bcd", "", "世界")})
    assert y.tolist() == ["abcd", "", "äö世界"]
    (y,) = model.run({"x": strings(), "w": strings()})
    assert y.shape == (0,)
    with pytest.raises(quantc.RunError, match="zero bytes"):
        model.run({"x": strings("a\0b"), "w": strings("c")})


def test_normalizer():
    model = compile_text(
        'g (string[n] x) => (string[m] y) { y = StringNormalizer <case_change_action = "UPPER",'
        ' is_case_sensitive = 0, stopwords = ["The", "a"]> (x) }'
    )
    (y,) = model.run({"x": strings("the", "quick", "A", "fox")})
    assert y.tolist() == ["QUICK", "FOX"]
    (y,) = model.run({"x": strings("the", "THE")})
    assert y.tolist() == [""]


def test_equal_with_a_constant():
    model = compile_text(
        'g (string[n] x) => (bool[n] y) { w = Constant <value = string[1] {"yes"}> ()\n'
        "y = Equal(x, w) }"
    )
    (y,) = model.run({"x": strings("yes", "ye", "yess", "no")})
    assert y.tolist() == [True, False, False, False]


def test_labels():
    model = compile_text(
        'g (string[n] x) => (int64[n] y) { y = ai.onnx.ml.LabelEncoder <keys_strings = ["a", "b"],'
        " values_int64s = [3, 7], default_int64 = 42> (x) }"
    )
    (y,) = model.run({"x": strings("b", "a", "c", "ab")})
    assert y.tolist() == [7, 3, 42, 42]


@pytest.mark.parametrize("default", ["", ', default_string = "?"'])
@pytest.mark.parametrize("kind", ["string", "int64"])
def test_labels_that_are_strings(kind, default):
    keys = 'keys_strings = ["a", "b"]' if kind == "string" else "keys_int64s = [5, -1]"
    text = (
        f"g ({kind}[n] x) => (string[n] y) {{ y = ai.onnx.ml.LabelEncoder <{keys},"
        f' values_strings = ["green", "ö"]{default}> (x) }}'
    )
    x = strings("b", "a", "c", "ab") if kind == "string" else np.array([-1, 5, 2, 0])
    session = onnxruntime.InferenceSession(onnx.parser.parse_model(HEADER + text).SerializeToString())
    (expected,) = session.run(None, {"x": x})
    (y,) = compile_text(text).run({"x": x})
    assert y.tolist() == expected.tolist()


KEYS = {
    "int64": lambda n: [(7919 * i) % 100_003 - 50_000 for i in range(n)],
    "float": lambda n: [float((7919 * i) % 100_003) / 8 - 500 for i in range(n)],
    "string": lambda n: [f"{'x' * (i % 23)}{(7919 * i) % 100_003}" for i in range(n)],
}


def compare_labels(keys, values, key_type, value_type, x, opset=4, **more):
    tensors = {"int64": TensorProto.INT64, "float": TensorProto.FLOAT, "string": TensorProto.STRING}
    attributes = {f"keys_{key_type}s": keys, f"values_{value_type}s": values, **more}
    node = helper.make_node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    border = [helper.make_tensor_value_info(name, tensors[kind], ["n"]) for name, kind in (("x", key_type), ("y", value_type))]
    graph = helper.make_graph([node], "labels", border[:1], border[1:])
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    (y,) = quantc.compile(model).run({"x": x})
    assert y.tolist() == expected.tolist()


@pytest.mark.parametrize("value_type", KEYS)
@pytest.mark.parametrize("key_type", KEYS)
@pytest.mark.parametrize("count", [1, 3, 64, 3000])
def test_many_labels(key_type, value_type, count):
    """All of them, what lies between them and beyond, and none."""
    keys = KEYS[key_type](count)
    values = KEYS[value_type](count)[::-1]
    if key_type == "string":
        asked = keys + [key + "x" for key in keys] + [key[:-1] for key in keys] + ["", "y" * 200]
        x = strings(*asked)
    else:
        x = np.array(keys, np.int64 if key_type == "int64" else np.float32)
        ends = [np.iinfo(x.dtype).min, np.iinfo(x.dtype).max] if key_type == "int64" else [np.inf, -np.inf, np.nan]
        x = np.concatenate([x, x + 1, x - 1, np.array(ends, x.dtype)])
    compare_labels(keys, values, key_type, value_type, x)
    compare_labels(keys, values, key_type, value_type, x[:0])


def test_labels_that_are_equal():
    """The first one counts. Zeros are equal, and so are NaNs."""
    nan = float("nan")
    keys = [1.0, nan, 2.0, nan, 1.0, -0.0, 0.0]
    x = np.array([1, nan, 2, 0, -0.0, 5, np.inf], np.float32)
    compare_labels(keys, list(range(1, 8)), "float", "int64", x)
    compare_labels([nan], [3], "float", "int64", x)
    compare_labels([nan, 1.0], ["none", "one"], "float", "string", x)
    compare_labels([5, 3, 5, 3], [1, 2, 3, 4], "int64", "int64", np.array([3, 4, 5]))
    texts = ["b", "", "b", "a", ""]
    compare_labels(texts, ["1", "2", "3", "4", "5"], "string", "string", strings("a", "b", "", "c", "ab"))
    ends = [2**63 - 1, -(2**63), -1, 0]
    compare_labels(ends, [1, 2, 3, 4], "int64", "int64", np.array(ends + [1, -2]))


@pytest.mark.parametrize("opset", [2, 3, 4])
def test_labels_of_no_number(opset):
    """Before version 4 of the operator, nothing finds them."""
    nan = float("nan")
    x = np.array([1, nan, 2, 0], np.float32)
    compare_labels([1.0, nan, 2.0], [7, 8, 9], "float", "int64", x, opset)
    compare_labels([nan], ["b"], "float", "string", x, opset)


@pytest.mark.parametrize("default", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_default_label_of_64_bits(default):
    compare_labels([1], [7], "int64", "int64", np.array([1, 2]), default_int64=default)


def test_other_ops_say_that_they_take_no_strings():
    with pytest.raises(quantc.CompileError, match="its input 'x' is .* a string"):
        compile_text(
            "g (string[n] x) => (string[m] y) { shape = Constant <value_ints = [-1]> ()\n"
            "y = Reshape(x, shape) }"
        )


@pytest.mark.parametrize(
    "attributes",
    [
        {"keys_strings": ["a\0", "b"], "values_int64s": [1, 2]},
        {"keys_int64s": [1, 2], "values_strings": ["a", "b\0"]},
        {"keys_int64s": [1, 2], "values_strings": ["a", "b"], "default_string": "\0"},
        {"keys_tensor": helper.make_tensor("k", TensorProto.STRING, [1], [b"\0a"]), "values_int64s": [1]},
        {
            "keys_tensor": helper.make_tensor("k", TensorProto.INT64, [1], [1]),
            "values_tensor": helper.make_tensor("v", TensorProto.STRING, [1], [b"a"]),
            "default_tensor": helper.make_tensor("d", TensorProto.STRING, [1], [b"\0a"]),
        },
    ],
    ids=["key", "value", "default", "key-tensor", "default-tensor"],
)
def test_labels_with_zero_bytes(attributes):
    """Zeros fill strings up: "a" would be found as "a" with a zero behind it."""
    kinds = [
        TensorProto.STRING if any(name == part + "_strings" or getattr(value, "data_type", 0) == TensorProto.STRING and part in name
                                  for name, value in attributes.items()) else TensorProto.INT64
        for part in ("keys", "values")
    ]  # fmt: skip
    node = helper.make_node("LabelEncoder", ["x"], ["y"], name="labels", domain="ai.onnx.ml", **attributes)
    x, y = (helper.make_tensor_value_info(name, kind, [2]) for name, kind in zip("xy", kinds))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 4)]
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opsets, ir_version=10)
    with pytest.raises(quantc.CompileError, match="node 'labels'.*strings with zero bytes are not supported") as error:
        quantc.compile(model)
    assert str(error.value).count("node 'labels'") == 1
