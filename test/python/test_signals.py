"""Fourier transforms against numpy's: of lengths with small factors, which are known and taken
in steps, of those that are summed up directly, and of lengths that the run tells."""

import numpy as np
import onnx.parser
import pytest

import quantc

# Short ones, with factors 4, 2, 3, 5, 7 and 11, primes, and with one that is too large.
LENGTHS = [1, 2, 3, 7, 8, 30, 49, 59, 64, 67, 88, 134, 400]


def compile_graph(text):
    return quantc.compile(onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 20]>' + text))


def join(y):
    return np.stack([y.real, y.imag], -1)


def check(mine, expected):
    assert mine.shape == expected.shape
    np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-6 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("is_known", [False, True])
def test_transform(length, is_known, rng):
    size = str(length) if is_known else "c"
    complex_input = rng.standard_normal((2, 3, length, 2)).astype(np.float32)
    for inverse in (0, 1):
        compiled = compile_graph(
            f"g (float[a, b, {size}, 2] x) => (float[a, b, d, 2] y)"
            f" {{ axis = Constant <value_int = 2> () y = DFT <inverse = {inverse}> (x, , axis) }}"
        )
        x = complex_input[..., 0] + 1j * complex_input[..., 1]
        expected = np.fft.ifft(x) if inverse else np.fft.fft(x)
        check(compiled.run({"x": complex_input})[0], join(expected))
    compiled = compile_graph(
        f"g (float[a, b, {size}, 1] x) => (float[a, b, d, 2] y)"
        " { axis = Constant <value_int = 2> () y = DFT <onesided = 1> (x, , axis) }"
    )
    check(compiled.run({"x": complex_input[..., :1]})[0], join(np.fft.rfft(complex_input[..., 0])))


@pytest.mark.parametrize("axis", [0, 1, -2])
@pytest.mark.parametrize("length", [12, 20, 29])
def test_length_and_axis(axis, length, rng):
    """Signals are cut, or go on with zeros."""
    x = rng.standard_normal((20, 20, 20, 1)).astype(np.float32)
    compiled = compile_graph(
        "g (float[a, b, c, 1] x) => (float[d, e, f, 2] y)"
        f" {{ n = Constant <value_int = {length}> () axis = Constant <value_int = {axis}> ()"
        " y = DFT (x, n, axis) }"
    )
    check(compiled.run({"x": x})[0], join(np.fft.fft(x[..., 0], length, axis if axis >= 0 else axis + 1)))


@pytest.mark.parametrize("length", [2, 8, 30])
def test_half_a_spectrum(length, rng):
    """An inverse transform of what a onesided one gives."""
    x = rng.standard_normal((3, length)).astype(np.float32)
    compiled = compile_graph(
        f"g (float[3, {length // 2 + 1}, 2] x) => (float[3, {length}, 1] y)"
        " { axis = Constant <value_int = 1> () y = DFT <inverse = 1, onesided = 1> (x, , axis) }"
    )
    check(compiled.run({"x": join(np.fft.rfft(x)).astype(np.float32)})[0], x[..., None])


@pytest.mark.parametrize("length", [16, 67, 400])
@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("has_window", [False, True])
def test_short_time(length, onesided, has_window, rng):
    window = np.hanning(length).astype(np.float32)
    compiled = compile_graph(
        f"g (float[n, t, 1] x, float[{length}] window) => (float[n, f, b, 2] y)"
        f" {{ step = Constant <value_int = 10> () length = Constant <value_int = {length}> ()"
        f" y = STFT <onesided = {onesided}> (x, step, {'window' if has_window else ''}, length) }}"
    )
    for batch, size in [(2, 700), (1, length), (3, length + 9)]:
        x = rng.standard_normal((batch, size, 1)).astype(np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(x[..., 0], length, 1)[:, ::10]
        if has_window:
            frames = frames * window.astype(np.float64)
        expected = np.fft.rfft(frames) if onesided else np.fft.fft(frames)
        check(compiled.run({"x": x, "window": window})[0], join(expected))


@pytest.mark.parametrize("length", [512, 1155, 4096, 65536])
@pytest.mark.parametrize("inverse", [0, 1])
def test_long_signals(length, inverse, rng, tmp_path):
    """Their tables make up little of a library, and are as precise."""
    x = rng.standard_normal((2, length, 2)).astype(np.float32)
    path = tmp_path / "model.so"
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : 20]> g (float[2, {length}, 2] x) => (float[2, {length}, 2] y)'
        f" {{ axis = Constant <value_int = 1> () y = DFT <inverse = {inverse}> (x, , axis) }}"
    )
    compiled = quantc.compile(model, output=path)
    signal = x[..., 0] + 1j * x[..., 1]
    check(compiled.run({"x": x})[0], join(np.fft.ifft(signal) if inverse else np.fft.fft(signal)))
    assert path.stat().st_size < 64 * 1024
