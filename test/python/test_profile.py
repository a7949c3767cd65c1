"""compile --profile and bench --profile: what is counted, and what is shown."""

import re

import numpy as np
import onnx
import onnx.parser
import pytest

quantc = pytest.importorskip("quantc")

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[batch,96] x) => (float[batch,64] y) {
  [first] a = MatMul(x, w)
  [relu] r = Relu(a)
  [second] y = MatMul(r, v)
}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile")
    model = onnx.parser.parse_model(MODEL)
    random = np.random.default_rng(0)
    for name, shape in (("w", (96, 128)), ("v", (128, 64))):
        array = random.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.save(model, folder / "model.onnx")
    np.savez(folder / "data.npz", x=random.normal(size=(2, 32, 96)).astype(np.float32))
    return folder


def find(profile, node):
    return next(k for k in profile.kernels if node in k["nodes"].split(" + ") and k["operations"])


def test_counts_of_each_size(files):
    model = quantc.compile(files / "model.onnx", profile=True)
    for batch in (7, 64):
        x = np.ones((batch, 96), np.float32)
        # Of several runs, the medians of kernels may sum up to more than that of all.
        profile = model.profile({"x": x}, runs=1, warmup=1, threads=1)
        first, second = find(profile, "first"), find(profile, "second")
        assert first["operations"] == 2 * batch * 96 * 128
        assert first["bytes"] == 4 * (batch * 96 + 96 * 128 + batch * 128)
        assert second["operations"] == 2 * batch * 128 * 64
        assert first["kind"] == second["kind"] == "f32"
        assert first["calls"] == second["calls"] == 1
        assert 0 < sum(k["seconds"] for k in profile.kernels) <= profile.seconds
        assert first["share_of_peak"] > 0
        assert profile.peaks["f32"] > 1e9 and profile.peaks["memory"] > 1e8


def test_results_do_not_change(files):
    x = np.random.default_rng(1).normal(size=(5, 96)).astype(np.float32)
    plain = quantc.compile(files / "model.onnx").run({"x": x})
    profiled = quantc.compile(files / "model.onnx", profile=True).run({"x": x})
    np.testing.assert_array_equal(plain[0], profiled[0])


def test_integers_are_counted_apart(files):
    model = quantc.compile(
        files / "model.onnx", quantize="w8a8", calibration=files / "data.npz", profile=True
    )
    profile = model.profile({"x": np.ones((16, 96), np.float32)}, runs=3)
    first = find(profile, "first")
    assert first["kind"] == "int8"
    assert first["operations"] == 2 * 16 * 96 * 128


def test_page(files, quantc_cli, tmp_path):
    library, page = tmp_path / "m.so", tmp_path / "m.html"
    quantc_cli.ok("compile", files / "model.onnx", "--profile", "-o", library)
    table = quantc_cli.ok("bench", library, "--profile", "--shape=x:64x96", "--runs=5", f"--html={page}")
    assert re.search(r"[\d.]+% +f32 +kernel_\d+_\w+: first \+ relu$", table, re.M), table
    assert "outside of kernels" in table and "measured peaks" in table
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    assert "<script" not in text and "http" not in text
    assert text.count("<circle") == 2 and "first + relu" in text


def test_other_libraries_have_no_counters(files, quantc_cli, tmp_path):
    library = tmp_path / "m.so"
    quantc_cli.ok("compile", files / "model.onnx", "-o", library)
    assert b"quantc_rt_profile" not in library.read_bytes()
    done = quantc_cli("bench", library, "--profile")
    assert done.returncode == 1
    assert "compile it with --profile" in done.stderr
    with pytest.raises(quantc.RunError, match="compile it with --profile"):
        quantc.load(library).profile({"x": np.ones((1, 96), np.float32)})
    done = quantc_cli("bench", library, f"--html={tmp_path / 'x.html'}")
    assert done.returncode == 1 and "--profile" in done.stderr
