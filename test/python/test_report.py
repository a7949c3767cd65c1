"""quantc report: errors of single ops, the table and the page."""

import re

import numpy as np
import onnx
import onnx.parser
import pytest

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[batch,16] x) => (float[batch,4] y) {
  [first] a = MatMul(x, w)
  [relu] r = Relu(a)
  [second] y = MatMul(r, v)
}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    model = onnx.parser.parse_model(MODEL)
    random = np.random.default_rng(0)
    for name, shape in (("w", (16, 16)), ("v", (16, 4))):
        array = random.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.save(model, folder / "model.onnx")
    x = random.normal(size=(6, 32, 16)).astype(np.float32)
    np.savez(folder / "data.npz", x=x)
    return folder


def test_table_is_sorted_by_damage(files, quantc_cli):
    table = quantc_cli.ok("report", files / "model.onnx", "--quantize=w8a8", f"--data={files / 'data.npz'}")
    rows = re.findall(r"^ *([\d.]+) +([\d.]+) +([\d.]+)  .* (first|second)$", table, re.M)
    assert len(rows) == 2, table
    own = [float(row[0]) for row in rows]
    assert own == sorted(own)
    # 8 bits on normal numbers: about 40 dB.
    assert all(25 < ratio < 60 for ratio in own)
    # Noise adds up: the second op's total has the first one's in it.
    second = next(row for row in rows if row[3] == "second")
    assert float(second[1]) < float(second[0]) + 0.5
    assert "output 'y'" in table


def test_errors_are_those_of_numpy(files, quantc_cli, tmp_path):
    """The first op's own error, computed again from the scales in the graph."""
    quantc_cli.ok(
        "report",
        files / "model.onnx",
        "--quantize=w8a8",
        f"--data={files / 'data.npz'}",
        f"--graph={tmp_path / 'graph.mlir'}",
    )
    text = (tmp_path / "graph.mlir").read_text()
    found = re.search(r"qnn.matmul .*?own_cosine = ([\d.e+-]+) : f64, own_sqnr = ([\d.e+-]+) : f64", text)
    assert found, text
    x = np.load(files / "data.npz")["x"].reshape(-1, 16).astype(np.float64)
    w = onnx.numpy_helper.to_array(onnx.load(files / "model.onnx").graph.initializer[0]).astype(np.float64)
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = np.float32((high - low) / 255)
    zero = np.round(-low / scale)
    quantized = (np.clip(np.round(x / scale) + zero, 0, 255) - zero) * scale
    scales = np.float32(np.abs(w).max(axis=0) / 127)
    weights = np.clip(np.round(w / scales), -127, 127) * scales
    right = x @ w
    noise = quantized @ weights - right
    sqnr = 10 * np.log10((right**2).sum() / (noise**2).sum())
    assert abs(float(found[2]) - sqnr) < 0.05


def test_page_is_one_file(files, quantc_cli, tmp_path):
    page = tmp_path / "report.html"
    quantc_cli.ok("report", files / "model.onnx", f"--data={files / 'data.npz'}", "-o", page)
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    assert "<script" not in text and "http" not in text
    # A chart and a histogram for each of the four operands.
    assert text.count("<svg") == 5
    assert "first" in text and "second" in text


def test_statistics_of_another_model(files, quantc_cli, tmp_path):
    other = onnx.load(files / "model.onnx")
    other.graph.initializer[0].raw_data = b"\0\0\x80\x3f" * 256
    onnx.save(other, tmp_path / "other.onnx")
    data = f"--data={files / 'data.npz'}"
    quantc_cli.ok("calibrate", tmp_path / "other.onnx", data, "-o", tmp_path / "other.stats")
    done = quantc_cli("report", files / "model.onnx", data, f"--stats={tmp_path / 'other.stats'}", "-o", tmp_path / "x.html")
    assert done.returncode == 1
    assert "another model's" in done.stderr
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("recipe, why", [("w8a8-smoothquant", "transformations"), ("w8a8-sequential", "sequential")])
def test_transformed_graphs_are_not_compared(files, quantc_cli, tmp_path, recipe, why):
    page = tmp_path / "report.html"
    data = f"--data={files / 'data.npz'}"
    done = quantc_cli("report", files / "model.onnx", data, f"--quantize={recipe}", "-o", page)
    assert done.returncode == 1
    assert why in done.stderr
    assert not page.exists()
