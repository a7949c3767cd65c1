"""What `cmake --install` puts below a prefix works from there."""

import os
import subprocess
import sys

import numpy as np
import onnx
import onnx.parser
import pytest

import quantc
from test_plugin import GELU

MODEL = """<ir_version: 10, opset_import: ["" : 21]>
graph (float[2,3] x) => (float[2,3] y) { y = Add(x, x) }
"""


@pytest.fixture(scope="module")
def prefix(build_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", build_dir, "--prefix", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def site_packages(prefix):
    (package,) = prefix.glob("lib/python*/site-packages/quantc")
    return package.parent


def test_installs_no_tests(prefix):
    assert sorted(path.name for path in (prefix / "bin").iterdir()) == ["quant-opt", "quantc"]


def test_program_compiles_a_model(prefix, tmp_path):
    onnx.save(onnx.parser.parse_model(MODEL), tmp_path / "model.onnx")
    command = [prefix / "bin" / "quantc", "compile", tmp_path / "model.onnx", "-o", tmp_path / "model.so"]
    subprocess.run(command, check=True, env={"PATH": os.environ["PATH"]})
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    (y,) = quantc.load(tmp_path / "model.so").run({"x": x})
    assert np.array_equal(y, x + x)


def test_package_is_whole(site_packages, tmp_path):
    onnx.save(onnx.parser.parse_model(MODEL), tmp_path / "model.onnx")
    program = f"""
import quantc, numpy
print(quantc.__file__, quantc._quantc.__file__, sep="\\n")
model = quantc.compile({str(tmp_path / "model.onnx")!r})
print(model.run({{"x": numpy.ones((2, 3), numpy.float32)}})[0].sum())
"""
    environment = dict(os.environ, PYTHONPATH=str(site_packages))
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    package, extension, total = done.stdout.splitlines()
    assert package.startswith(str(site_packages)) and extension.startswith(str(site_packages))
    assert float(total) == 12
    sources = {path.name for path in os.scandir(os.path.dirname(quantc.__file__)) if path.name.endswith(".py")}
    assert sources <= {path.name for path in (site_packages / "quantc").iterdir()}


def test_plugins_build_against_it(prefix, source_dir, tmp_path):
    example = source_dir / "docs" / "examples" / "approximate-gelu"
    configure = ["cmake", "-G", "Ninja", "-S", example, "-B", tmp_path, "-DCMAKE_CXX_COMPILER=clang++-22"]
    subprocess.run([*configure, f"-DCMAKE_PREFIX_PATH={prefix}"], check=True)
    config = (tmp_path / "CMakeCache.txt").read_text()
    assert f"Quantc_DIR:PATH={prefix}/lib/cmake/quantc" in config
    subprocess.run(["cmake", "--build", tmp_path], check=True)
    pipeline = "--pass-pipeline=builtin.module(func.func(approximate-gelu))"
    command = [prefix / "bin" / "quant-opt", f"--load-pass-plugin={tmp_path / 'ApproximateGelu.so'}", pipeline]
    done = subprocess.run(command, input=GELU, check=True, capture_output=True, text=True)
    assert "qnn.unary gelu_tanh" in done.stdout


def test_versions_agree(prefix):
    done = subprocess.run([prefix / "bin" / "quantc", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.split()[:2] == ["quantc", quantc.__version__]
