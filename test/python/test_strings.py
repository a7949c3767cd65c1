"""Tensors of strings at a model's border: bytes in the library, str in Python."""

import numpy as np
import onnx.parser
import onnxruntime
import pytest

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


def test_other_ops_say_that_they_take_no_strings():
    with pytest.raises(quantc.CompileError, match="its input 'x' is .* a string"):
        compile_text(
            "g (string[n] x) => (string[m] y) { shape = Constant <value_ints = [-1]> ()\n"
            "y = Reshape(x, shape) }"
        )
