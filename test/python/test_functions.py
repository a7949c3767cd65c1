"""Functions that our code computes by polynomials, against numpy in float64."""

import numpy as np
import onnx.parser
import pytest

import quantc


def run(body, x):
    return quantc.compile(
        onnx.parser.parse_model(
            f'<ir_version: 8, opset_import: ["" : 20]> g (float[a,b] x) => (float[a,b] y) {{ {body} }}'
        )
    ).run({"x": x})[0]


def exact_erf(x):
    """By Simpson's rule: numpy has no erf."""
    steps = 2000
    t = np.linspace(0, 1, steps + 1)
    weights = np.full(steps + 1, 2.0)
    weights[1::2], weights[[0, -1]] = 4, 1
    values = np.exp(-np.square(x[..., None] * t)) @ weights
    return 2 / np.sqrt(np.pi) * x * values / (3 * steps)


def units(y, exact):
    """How many units in the last place `y` is off."""
    return np.max(np.abs(y - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64))


def test_exp():
    x = np.linspace(-110, 88.72, 100_001, dtype=np.float32)[None]
    assert units(run("y = Exp(x)", x), np.exp(x.astype(np.float64))) <= 1.1
    edges = np.array([[np.inf, -np.inf, np.nan, 0, -0.0, 88.73, 1e30, -104.5, -1e30]], np.float32)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(run("y = Exp(x)", edges), np.exp(edges))


@pytest.mark.parametrize("columns", [1, 7, 8, 31, 33, 200])
def test_sigmoid(columns):
    x = np.linspace(-87, 87, 500 * columns, dtype=np.float32).reshape(500, columns)
    assert units(run("y = Sigmoid(x)", x), 1 / (1 + np.exp(-x.astype(np.float64)))) <= 3
    edges = np.array([[np.inf, -np.inf, np.nan, 0, -0.0, 1e-40, -88, -88.6, -1e30, 1e30, 89]], np.float32)
    y = run("y = Sigmoid(x)", edges)
    with np.errstate(over="ignore"):
        wanted = 1 / (1 + np.exp(-edges.astype(np.float64)))
    np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-38)
    assert y[0, 1] == 0 and y[0, 8] == 0


def test_erf():
    x = np.linspace(-4.5, 4.5, 2001, dtype=np.float32)[None]
    assert units(run("y = Erf(x)", x), exact_erf(x.astype(np.float64))) <= 3
    edges = np.array([[np.inf, -np.inf, np.nan, 0, -0.0, 1e-30, 5, -1e30]], np.float32)
    wanted = np.array([[1, -1, np.nan, 0, -0.0, 1.1283792e-30, 1, -1]], np.float32)
    y = run("y = Erf(x)", edges)
    np.testing.assert_allclose(y, wanted, rtol=1e-6)
    assert np.signbit(y[0, 4])


@pytest.mark.parametrize("length", [1, 3, 8, 13, 400])
def test_softmax(length):
    x = 5 * np.random.default_rng(0).standard_normal((50, length)).astype(np.float32)
    powers = np.exp((x - x.max(1, keepdims=True)).astype(np.float64))
    y = run("y = Softmax<axis=-1>(x)", x)
    np.testing.assert_allclose(y, powers / powers.sum(1, keepdims=True), rtol=1e-6)


def test_softmax_edges():
    """NaN is found wherever it is; what is masked weighs nothing; powers near
    the least number are exact or 0."""
    x = np.zeros((6, 41), np.float32)
    x[0, 3] = x[1, 40] = np.nan
    x[2, ::2] = -np.inf
    x[3, 1:] = -np.linspace(80, 110, 40)
    x[4, 7] = np.inf
    x[5] = -np.inf
    y = run("y = Softmax<axis=-1>(x)", x)
    assert np.isnan(y[[0, 1, 4, 5]]).all(1)[[0, 1, 3]].all() and np.isnan(y[4, 7])
    np.testing.assert_array_equal(y[2], np.where(np.arange(41) % 2, np.float32(1 / 20), 0))
    exact = np.exp(x[3].astype(np.float64))
    near = np.isclose(y[3], exact, rtol=1e-6, atol=0)
    assert (near | (y[3] == 0)).all() and near[exact > 2.0**-125].all()
