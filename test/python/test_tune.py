"""quantc tune: budgets are met, and the recipe reproduces what was measured."""

import numpy as np
import onnx
import onnx.parser
import pytest

from real_models import MODELS
from test_real_models import locate

quantc = pytest.importorskip("quantc")

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[batch,64] x) => (float[batch,32] y) {
  [quiet] a = MatMul(x, w)
  [relu] r = Relu(a)
  [noisy] b = MatMul(r, v)
  [last] y = MatMul(b, u)
}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    model = onnx.parser.parse_model(MODEL)
    model.graph.node[2].name = "noisy/*"
    random = np.random.default_rng(0)
    for name, shape in (("w", (64, 256)), ("v", (256, 256)), ("u", (256, 32))):
        array = random.normal(size=shape).astype(np.float32)
        if name == "v":
            # One large number a column leaves few steps for the others.
            array[0] = 20
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.save(model, folder / "model.onnx")
    x = random.normal(size=(4, 32, 64)).astype(np.float32)
    np.savez(folder / "data.npz", x=x)
    return folder


def loss_of(model, reference, x):
    right, got = reference.run({"x": x})[0], model.run({"x": x})[0]
    return np.sqrt(((right - got) ** 2).sum() / (right**2).sum())


@pytest.fixture(scope="module")
def samples(files):
    return np.load(files / "data.npz")["x"].reshape(-1, 64)


def test_loss(files, samples):
    data = files / "data.npz"
    whole = quantc.tune(files / "model.onnx", calibration=data, max_loss=1, minimize="bytes", runs=3)
    assert [layer["chosen"] for layer in whole.layers] == ["8 bits"] * 3
    assert whole.found["bytes"] < 0.3 * whole.float["bytes"]
    # Half of that noise: something has to stay in float, but not everything.
    limit = whole.found["loss"] / 2
    tuned = quantc.tune(files / "model.onnx", calibration=data, max_loss=limit, minimize="bytes", runs=3)
    chosen = [layer["chosen"] for layer in tuned.layers]
    assert "float" in chosen and "8 bits" in chosen, tuned
    assert 0 < tuned.found["loss"] <= limit
    worst = max(tuned.layers, key=lambda layer: layer["forms"]["8 bits"]["loss"])
    assert worst["chosen"] == "float"
    # The library that the recipe gives has this loss on these data.
    reference = quantc.compile(files / "model.onnx")
    model = quantc.compile(files / "model.onnx", quantize=tuned, calibration=data)
    assert loss_of(model, reference, samples) == pytest.approx(tuned.found["loss"], rel=1e-3)
    assert model.weight_bytes == tuned.found["bytes"]


def test_each_layer_alone(files, samples):
    """A layer's loss is that of a model in which it alone is quantized."""
    data = files / "data.npz"
    tuned = quantc.tune(files / "model.onnx", calibration=data, max_loss=1, runs=3)
    reference = quantc.compile(files / "model.onnx")
    names = {"quiet": "quiet", "noisy/*": "noisy/\\*", "last": "last"}
    assert {layer["node"] for layer in tuned.layers} == set(names)
    for layer in tuned.layers:
        others = [pattern for name, pattern in names.items() if name != layer["node"]]
        alone = quantc.compile(
            files / "model.onnx", quantize=quantc.Recipe("w8a8", skip=others), calibration=data
        )
        # There, a neighbour that stays float reads the integers, too.
        expected = loss_of(alone, reference, samples)
        assert layer["forms"]["8 bits"]["loss"] == pytest.approx(expected, rel=0.05)


def test_no_slower_than_the_recipe(files):
    """What is found is never worse than all layers in integers, if these do."""
    path = files / "data.npz"
    tuned = quantc.tune(files / "model.onnx", calibration=path, max_loss=1, runs=3)
    assert tuned.found["seconds"] <= tuned.base["seconds"]


def test_bytes_and_reproduction(files, quantc_cli, tmp_path):
    recipe = tmp_path / "found.yaml"
    output = quantc_cli.ok(
        "tune",
        files / "model.onnx",
        "--quantize=w8a8",
        f"--calibration={files / 'data.npz'}",
        "--max-bytes=200k",
        "--runs=3",
        "-o",
        recipe,
    )
    assert "noisy/*" in output and "found:" in output
    text = recipe.read_text()
    assert "--max-bytes=200000" in text
    library = tmp_path / "model.so"
    quantc_cli.ok(
        "compile",
        files / "model.onnx",
        f"--quantize={recipe}",
        f"--calibration={files / 'data.npz'}",
        "-o",
        library,
    )
    assert quantc.load(library).weight_bytes <= 200e3


def test_latency(files):
    tuned = quantc.tune(files / "model.onnx", calibration=files / "data.npz", max_latency=10.0, runs=3)
    # Met without doing anything.
    assert all(layer["chosen"] == "float" for layer in tuned.layers)
    assert tuned.found["seconds"] < 10
    with pytest.raises(quantc.CompileError, match="no choice of layers met"):
        quantc.tune(files / "model.onnx", calibration=files / "data.npz", max_latency=1e-9, runs=3)


def test_errors(files, quantc_cli, tmp_path):
    recipe = tmp_path / "x.yaml"
    data = f"--calibration={files / 'data.npz'}"
    cases = [
        ([data], "give what to keep to"),
        (["--max-loss=0.1"], "give --calibration"),
        ([data, "--max-loss=-1"], "must be positive"),
        ([data, "--max-bytes=ten"], "--max-bytes=ten: use a positive number"),
        ([data, "--max-loss=0.1", "--minimize=joy"], "use latency or bytes"),
        ([data, "--max-loss=0.1", "--bits=11"], "bits"),
        ([data, "--max-loss=0.1", "--quantize=w8a8-smoothquant"], "leave them out"),
        ([data, "--max-bytes=10k", "--runs=1"], "no choice of layers met"),
    ]
    for args, message in cases:
        done = quantc_cli("tune", files / "model.onnx", *args, "-o", recipe)
        assert done.returncode == 1, args
        assert message in done.stderr, (args, done.stderr)
        assert not recipe.exists()


@pytest.mark.models
def test_real_model(tmp_path):
    """Within 0.6 of the loss; and both recipes give what was measured."""
    model = locate(MODELS["mnist-conv"])
    x = {"Input3": np.random.default_rng(0).uniform(0, 255, (8, 1, 28, 28)).astype(np.float32)}
    whole = quantc.tune(model, calibration=x, max_loss=1, minimize="bytes", runs=3, samples=8)
    limit = 0.6 * whole.found["loss"]
    tuned = quantc.tune(model, calibration=x, max_loss=limit, minimize="bytes", runs=3, samples=8)
    assert tuned.found["loss"] <= limit
    assert whole.found["bytes"] < tuned.found["bytes"] < tuned.float["bytes"]
    reference = quantc.compile(model)
    for name, found in (("whole", whole), ("tuned", tuned)):
        found.save(tmp_path / f"{name}.yaml")
        again = quantc.compile(model, quantize=str(tmp_path / f"{name}.yaml"), calibration=x)
        assert again.weight_bytes == found.found["bytes"]
        pairs = [[m.run({"Input3": s[None]})[0] for m in (reference, again)] for s in x["Input3"]]
        error, power = np.sum([[((a - b) ** 2).sum(), (a**2).sum()] for a, b in pairs], axis=0)
        assert np.sqrt(error / power) == pytest.approx(found.found["loss"], rel=1e-3)
