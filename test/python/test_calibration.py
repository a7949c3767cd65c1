"""Calibration: statistics over data, their files, and ranges against ONNX Runtime."""

import numpy as np
import onnx
import onnx.parser
import pytest
import quantc
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxruntime.quantization import calibrate as ort
from onnxruntime.quantization.quant_utils import compute_scale_zp

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[batch,8] x) => (float[batch,5] y) {
  [sum] s = Add(x, x)
  [relu] r = Relu(s)
  [product] p = MatMul(r, w)
  [bias] y = Add(p, b)
}
"""


def make_model():
    model = onnx.parser.parse_model(MODEL)
    random = np.random.default_rng(0)
    for name, shape in (("w", (8, 5)), ("b", (5,))):
        array = random.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model


def make_data(count, seed=1):
    random = np.random.default_rng(seed)
    data = random.standard_t(4, size=(count, 16, 8)).astype(np.float32)
    data[:, :, 3] *= 30
    return data


def arrays_of(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def expect_same(a, b):
    a, b = arrays_of(a), arrays_of(b)
    assert a.keys() == b.keys()
    for name in a:
        if name.startswith(("sum_", "gram_")):
            np.testing.assert_allclose(a[name], b[name], rtol=1e-12, atol=1e-9, err_msg=name)
        else:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration") / "model.onnx"
    onnx.save(make_model(), path)
    return path


@pytest.fixture(scope="module")
def statistics(model):
    return quantc.calibrate(model, {"x": make_data(20)}, model.with_suffix(".stats"), values="all", gram=True)


def test_values_are_those_of_the_model(statistics):
    data = make_data(20)
    assert statistics.num_samples == 20
    assert set(statistics) == {"x", "s", "r", "p", "y"}
    doubled = data + data
    value = statistics["s"]
    assert (value.min, value.max) == (doubled.min(), doubled.max())
    assert value.count == doubled.size
    np.testing.assert_array_equal(value.sample_ranges[:, 0], doubled.min(axis=(1, 2)))
    lower, upper, counts = value.histogram()
    assert counts.sum() == doubled.size
    expected = [((doubled >= a) & (doubled < b)).sum() for a, b in zip(lower, upper)]
    # A negative bucket holds its lower end, and not its upper one.
    mirrored = [((doubled > a) & (doubled <= b)).sum() for a, b in zip(lower, upper)]
    np.testing.assert_array_equal(counts, np.where(lower < 0, mirrored, expected))


def test_channels_are_what_the_product_sums_over(statistics):
    relu = np.maximum(2 * make_data(20), 0).reshape(-1, 8)
    value = statistics["r"]
    assert value.channel_axis == 1
    np.testing.assert_array_equal(value.channel_ranges[:, 1], relu.max(axis=0))
    np.testing.assert_allclose(value.mean_abs, np.abs(relu).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(value.mean_square, (relu**2.0).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(value.gram, relu.T.astype(float) @ relu, rtol=1e-5)
    # Nothing multiplies the result by a matrix.
    assert statistics["p"].gram is None or not len(statistics["p"].gram)


def test_shards_merge_to_one_run(model, statistics, tmp_path, quantc_cli):
    data = make_data(20)
    parts = []
    for i, samples in enumerate([data[:3], data[3:13], data[13:]]):
        np.savez(tmp_path / f"{i}.npz", x=samples)
        parts.append(tmp_path / f"{i}.stats")
        quantc_cli.ok("calibrate", model, f"--data={tmp_path / f'{i}.npz'}", "-o", parts[-1], "--collect=gram", "--values=all")
    quantc_cli.ok("stats", "merge", *parts, "-o", tmp_path / "all.stats")
    expect_same(tmp_path / "all.stats", statistics.path)
    # The other way round only the order of samples differs.
    merged = quantc.Statistics(parts[2]).merge(parts[1], parts[0], output=tmp_path / "back.stats")
    for name, value in statistics.items():
        assert (merged[name].min, merged[name].max) == (value.min, value.max)
        for a, b in zip(merged[name].histogram(), value.histogram()):
            np.testing.assert_array_equal(a, b)


def test_ways_to_give_data(model, statistics, tmp_path):
    data = make_data(20)
    folder = tmp_path / "folder"
    folder.mkdir()
    for i, sample in enumerate(data):
        np.savez(folder / f"{i:03}.npz", x=sample)
    quantc.calibrate(model, folder, tmp_path / "folder.stats", values="all", gram=True)
    expect_same(tmp_path / "folder.stats", statistics.path)
    quantc.calibrate(model, ({"x": s} for s in data), tmp_path / "samples.stats", values="all", gram=True, threads=1)
    expect_same(tmp_path / "samples.stats", statistics.path)
    # With the input's rank: the first dimension is cut into batches of one.
    rows = quantc.calibrate(model, {"x": data.reshape(-1, 8)}, tmp_path / "rows.stats", values="all")
    assert rows.num_samples == 320
    assert rows["s"].min == statistics["s"].min
    # Samples of different sizes.
    mixed = quantc.calibrate(model, [{"x": data[0]}, {"x": data[1][:3]}], tmp_path / "mixed.stats", values="all")
    assert mixed["x"].count == 8 * 19


@pytest.mark.parametrize(
    "data, message",
    [
        ({"z": np.zeros((2, 4, 8), np.float32)}, "no array for the inputs 'x'"),
        ({"x": np.zeros((2, 4, 7), np.float32)}, "the dimensions after the samples' must agree"),
        ({"x": np.zeros((2, 4, 8, 1), np.float32)}, "one more for the samples"),
        ({"x": np.zeros((2, 4, 8), np.float64)}, "elements of type f32, the data's are numpy's float64"),
        ({"x": np.zeros((0, 4, 8), np.float32)}, "there are no samples"),
    ],
)
def test_data_that_do_not_fit(model, tmp_path, data, message):
    with pytest.raises(quantc.CompileError, match=message):
        quantc.calibrate(model, data, tmp_path / "x.stats", values="all")
    assert not (tmp_path / "x.stats").exists()


def test_numbers_that_are_none(model, tmp_path, quantc_cli):
    data = make_data(2)
    data[1, 2, 3] = np.nan
    np.savez(tmp_path / "nan.npz", x=data)
    done = quantc_cli("calibrate", model, f"--data={tmp_path / 'nan.npz'}", "--values=all", "-o", tmp_path / "nan.stats")
    assert done.returncode == 0
    assert "value 'x' was NaN 1 times" in done.stderr
    nan = quantc.Statistics(tmp_path / "nan.stats")
    with pytest.raises(ValueError, match="value 'x' was NaN 1 times; value 's' was NaN"):
        nan.choose(["x", "s"])
    with pytest.raises(ValueError, match="no statistics of the values 'q', 't'"):
        nan.choose(["q", "t"])


def test_statistics_of_another_model(statistics, tmp_path, quantc_cli):
    other = make_model()
    other.graph.initializer[0].raw_data = b"\0\0\x80\x3f" * 40
    onnx.save(other, tmp_path / "other.onnx")
    quantc.calibrate(tmp_path / "other.onnx", {"x": make_data(2)}, tmp_path / "other.stats")
    done = quantc_cli("stats", "merge", statistics.path, tmp_path / "other.stats", "-o", tmp_path / "both.stats")
    assert done.returncode == 1
    assert "another model's" in done.stderr
    assert not (tmp_path / "both.stats").exists()


def test_files_that_are_no_statistics(statistics, tmp_path, quantc_cli):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    done = quantc_cli("stats", "show", tmp_path / "a.npz")
    assert done.returncode == 1
    assert "no file of statistics" in done.stderr
    arrays = arrays_of(statistics.path)
    arrays["version"] = np.uint32(99)
    np.savez(tmp_path / "b.npz", **arrays)
    assert "another version" in quantc_cli("stats", "show", tmp_path / "b.npz").stderr
    arrays = arrays_of(statistics.path)
    arrays["histogram_key"] = arrays["histogram_key"][:-1]
    np.savez(tmp_path / "c.npz", **arrays)
    assert "do not fit each other" in quantc_cli("stats", "show", tmp_path / "c.npz").stderr


def test_show(statistics, quantc_cli):
    shown = quantc_cli.ok("stats", "show", statistics.path, "--value=r")
    assert "samples  20" in shown
    assert shown.rstrip().endswith(" r")
    assert quantc_cli("stats", "show", statistics.path, "--method=best").returncode == 1
    assert quantc_cli("calibrate", "x.onnx", "--data=x", "--method=percentile=200").returncode == 1


# ---- against ONNX Runtime's calibrators ----


class Reader(ort.CalibrationDataReader):
    def __init__(self, data):
        self.samples = iter([{"x": sample} for sample in data])

    def get_next(self):
        return next(self.samples, None)


def calibrate_with_ort(model, data, method, **options):
    calibrator = ort.create_calibrator(
        str(model),
        augmented_model_path=str(model.with_suffix(".augmented.onnx")),
        calibrate_method=method,
        extra_options=options,
    )
    calibrator.collect_data(Reader(data))
    return calibrator.compute_data()


def test_min_max_is_that_of_onnxruntime(model, statistics):
    theirs = calibrate_with_ort(model, make_data(20), ort.CalibrationMethod.MinMax)
    for name, value in statistics.items():
        low, high = (float(np.ravel(x)[0]) for x in theirs[name].range_value)
        # Sums of products are added in another order.
        tolerance = 0 if name in "xsr" else 1e-6 * max(-low, high)
        assert abs(value.min - low) <= tolerance, name
        assert abs(value.max - high) <= tolerance, name


@pytest.mark.parametrize("symmetric", [False, True])
def test_percentile_is_close_to_onnxruntimes(model, tmp_path, symmetric):
    # So many that neighbours in the tail are close to each other.
    data = make_data(400)
    ours = quantc.calibrate(model, {"x": data}, tmp_path / "many.stats", values="all")
    theirs = calibrate_with_ort(
        model, data, ort.CalibrationMethod.Percentile, percentile=99.0, symmetric=symmetric, num_bins=8192
    )
    scheme = "symmetric" if symmetric else "asymmetric"
    for name in ours:
        (choice,) = ours.choose([name], "percentile=99", signed=True, scheme=scheme)
        low, high = (float(np.ravel(x)[0]) for x in theirs[name].range_value)
        tolerance = 0.015 * max(abs(low), abs(high))
        assert abs(choice.max - high) <= tolerance, name
        if not symmetric:
            assert abs(choice.min - low) <= tolerance, name


def test_entropy_is_about_onnxruntimes(tmp_path):
    """One bulk and few outliers: both clip between the two."""
    data = np.random.default_rng(3).normal(size=(8, 400, 8)).astype(np.float32)
    data[0, 0, 0] = 50
    onnx.save(make_model(), tmp_path / "model.onnx")
    ours = quantc.calibrate(tmp_path / "model.onnx", {"x": data}, tmp_path / "x.stats", values="all")
    (choice,) = ours.choose(["x"], "entropy", signed=True, scheme="symmetric")
    theirs = calibrate_with_ort(
        tmp_path / "model.onnx",
        data,
        ort.CalibrationMethod.Entropy,
        num_bins=2048,
        num_quantized_bins=128,
    )
    high = float(np.ravel(theirs["x"].range_value[1])[0])
    assert 3 < high < 25 and 3 < choice.max < 25
    assert abs(choice.max - high) < 0.5 * high


# ---- rules of scales ----

NUMPY = {(8, True): np.int8, (8, False): np.uint8, (16, True): np.int16, (16, False): np.uint16}
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=500, deadline=None)
@given(finite, finite, st.sampled_from([8, 16]), st.booleans(), st.sampled_from(["asymmetric", "symmetric", "restricted"]))
def test_scales_follow_onnxruntime(a, b, bits, signed, scheme):
    low, high = np.float32(min(a, b)), np.float32(max(a, b))
    # ONNX Runtime restricts signed integers only.
    signed |= scheme == "restricted"
    dtype = NUMPY[bits, signed]
    limits = np.iinfo(dtype)
    least = limits.min + (scheme == "restricted")
    zero_point, scale = compute_scale_zp(
        low, high, np.array(least, dtype), np.array(limits.max, dtype), symmetric=scheme != "asymmetric"
    )
    ours = quantc._quantc.compute_scale(low, high, bits, signed, scheme)
    assert ours == (float(scale), int(zero_point))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    st.sampled_from(["minmax", "moving-average", "percentile=99", "entropy", "mse"]),
    st.sampled_from([4, 8]),
    st.sampled_from(["asymmetric", "symmetric", "restricted"]),
)
def test_every_method_chooses_within_the_data(values, method, bits, scheme):
    choice = quantc.choose_range(values, method, bits, True, scheme)
    largest = max(abs(v) for v in values)
    assert -largest <= choice.min <= choice.max <= largest
    assert np.isfinite(choice.scale) and choice.scale > 0
    assert -(1 << (bits - 1)) <= choice.zero_point < 1 << (bits - 1)
    # Zero is a number of the grid, and minmax reaches all numbers.
    if method == "minmax" and choice.scale != 1:
        least = -(1 << (bits - 1)) + (scheme == "restricted")
        codes = np.round(np.array(values) / choice.scale) + choice.zero_point
        assert codes.min() >= least - 1 and codes.max() <= 1 << (bits - 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=40))
def test_mse_is_no_worse_than_minmax(values):
    values = np.array(values, np.float32)

    def error(method):
        choice = quantc.choose_range(values, method, 4, True, "asymmetric")
        codes = np.clip(np.round(values / choice.scale) + choice.zero_point, -8, 7)
        return (((codes - choice.zero_point) * choice.scale - values) ** 2.0).sum()

    assert error("mse") <= error("minmax") * (1 + 1e-5) + 1e-12
