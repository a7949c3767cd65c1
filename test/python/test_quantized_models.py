"""What ONNX Runtime's quantizer makes of small models compiles to integers."""

import itertools

import numpy as np
import onnx
import pytest
from onnx import version_converter

import quantc
from real_models import MODELS, compare, reference
from test_real_models import locate

pytestmark = pytest.mark.models

FORMS = {
    "qdq-u8s8": dict(format="QDQ", activation="QUInt8", weight="QInt8"),
    "qdq-u8s8-channels": dict(format="QDQ", activation="QUInt8", weight="QInt8", per_channel=True),
    "qdq-u8u8-reduced": dict(format="QDQ", activation="QUInt8", weight="QUInt8", reduce_range=True),
    "qoperator-u8s8": dict(format="QOperator", activation="QUInt8", weight="QInt8"),
    "qoperator-u8s8-channels": dict(format="QOperator", activation="QUInt8", weight="QInt8", per_channel=True),
    "dynamic-u8": dict(weight="QUInt8"),
    "dynamic-s8-channels": dict(weight="QInt8", per_channel=True),
}


def prepare(path, scratch):
    """The model in a form that the quantizer takes: its own preparation, a newer
    opset, and weights that are no inputs."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = scratch / "prepared.onnx"
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    model = onnx.load(str(prepared))
    model.ir_version = max(model.ir_version, 8)
    weights = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    if model.opset_import[0].version < 13:
        model = version_converter.convert_version(model, 13)
    onnx.save(model, str(prepared))
    return prepared


def quantize(path, feeds, form, scratch):
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            self.feeds = iter(feeds)

        def get_next(self):
            return next(self.feeds, None)

    options = dict(FORMS[form])
    result = scratch / "quantized.onnx"
    weight = getattr(q.QuantType, options.pop("weight"))
    if "format" not in options:
        q.quantize_dynamic(str(path), str(result), weight_type=weight, **options)
        return result
    q.quantize_static(
        str(path),
        str(result),
        Reader(),
        quant_format=getattr(q.QuantFormat, options.pop("format")),
        activation_type=getattr(q.QuantType, options.pop("activation")),
        weight_type=weight,
        **options,
    )
    return result


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["mnist-conv", "espcn-subpixel", "espcn-resize"])
def test_quantized_model(name, form, tmp_path, quantc_cli, quant_opt):
    if name == "mnist-conv" and "channels" in form and not form.startswith("dynamic"):
        pytest.skip("the quantizer fails on it")
    model = MODELS[name]
    feeds = [feed for _, feed in model.feeds()]
    quantized = quantize(prepare(locate(model), tmp_path), feeds, form, tmp_path)

    # Nothing computes with floats, but what the model quantizes at its ends.
    graph = quantc_cli.ok("compile", quantized, "--emit=import", "-o", tmp_path / "model.mlir")
    graph = quant_opt.ok(tmp_path / "model.mlir", "--qnn-optimize=verify-folded", "--mlir-elide-elementsattrs-if-larger=8")
    products = [line for line in graph.splitlines() if "qnn.matmul" in line or "qnn.conv" in line]
    assert products and not [line for line in products if line.rstrip().split("->")[-1].find("i32") < 0]

    library, oracle = quantc.compile(quantized), reference(quantized)
    for feed in feeds:
        for ours, theirs in zip(library.run(feed), oracle(feed), strict=True):
            np.testing.assert_array_equal(np.asarray(ours), theirs)


@pytest.mark.parametrize(
    "name, form",
    [
        ("ppocr-cls", "qdq-u8s8-channels"),
        ("ppocr-cls", "qoperator-u8s8"),
        ("silero-vad-static", "qdq-u8s8"),
        ("magika", "qoperator-u8s8"),
        ("minilm-l3", "qdq-u8s8"),
    ],
)
def test_larger_quantized_model(name, form, tmp_path):
    """Here floats are left between the products: what they are rounded to must be equal all the same."""
    model = MODELS[name]
    feeds = [feed for _, feed in itertools.islice(model.feeds(), 2)]
    quantized = quantize(prepare(locate(model), tmp_path), feeds, form, tmp_path)
    library, oracle = quantc.compile(quantized), reference(quantized)
    for feed in feeds:
        for ours, theirs in zip(library.run(feed), oracle(feed), strict=True):
            difference = compare(np.asarray(ours), theirs)
            assert difference.ok, difference.reason
