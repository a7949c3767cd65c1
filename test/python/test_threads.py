"""Threads of a model: started once a run, and never where one is asked for."""

import os
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

# Counts what a model asks of OpenMP, in front of libomp; forbids it if told so.
COUNTER = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static int forks;
static void check(const char *name) {
  if (getenv("FORBID_OPENMP")) {
    fprintf(stderr, "%s was called\n", name);
    abort();
  }
}
static void *find(const char *name) { return dlsym(dlopen("libomp.so.5", RTLD_LAZY), name); }
int count_forks(void) { int result = forks; forks = 0; return result; }
void GOMP_parallel(void (*task)(void *), void *data, unsigned threads, unsigned flags) {
  check("GOMP_parallel");
  ++forks;
  ((void (*)(void (*)(void *), void *, unsigned, unsigned))find("GOMP_parallel"))(task, data, threads, flags);
}
#define QUERY(name) int name(void) { check(#name); return ((int (*)(void))find(#name))(); }
QUERY(omp_get_thread_num)
QUERY(omp_get_num_threads)
QUERY(omp_get_max_threads)
QUERY(omp_get_num_procs)
"""

RUN = r"""
import ctypes, os, sys
import numpy as np, quantc
model = quantc.load("model.so")
forks = ctypes.CDLL("./counter.so").count_forks
x = np.load("x.npy")
counts, results = [], []
for threads in map(int, sys.argv[1].split(",")):
    if threads:
        model.set_num_threads(threads)
    index = np.array([1 if len(counts) != 2 else 5000], np.int64)  # the third run fails
    try:
        results.append(model.run({"x": x, "index": index})[0])
    except quantc.RunError as error:
        print(error, file=sys.stderr)
    counts.append(forks())
assert all((r == results[0]).all() for r in results)
np.save("y.npy", results[0])
print(*counts)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, quantc_cli):
    """Products and tanh in turns, and a line of the result that an input names."""
    folder = tmp_path_factory.mktemp("threads")
    rng = np.random.default_rng(1)
    layers, nodes, constants = 5, [], []
    for i in range(layers):
        weight = (rng.standard_normal((256, 256)) / 16).astype(np.float32)
        constants.append(numpy_helper.from_array(weight, f"w{i}"))
        nodes.append(helper.make_node("MatMul", [f"x{i}" if i else "x", f"w{i}"], [f"p{i}"]))
        nodes.append(helper.make_node("Tanh", [f"p{i}"], [f"x{i + 1}"]))
    nodes.append(helper.make_node("Gather", [f"x{layers}", "index"], ["line"], axis=0))
    nodes.append(helper.make_node("Add", [f"x{layers}", "line"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "threads",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 256]),
            helper.make_tensor_value_info("index", TensorProto.INT64, [1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 256])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    quantc_cli.ok("compile", folder / "model.onnx", "-o", folder / "model.so")
    (folder / "counter.c").write_text(COUNTER)
    subprocess.run(["clang-22", "-shared", "-fPIC", "-o", "counter.so", "counter.c"], cwd=folder, check=True)
    return folder


def run(folder, threads, rows=97, **environment):
    x = np.random.default_rng(2).standard_normal((rows, 256)).astype(np.float32)
    np.save(folder / "x.npy", x)
    done = subprocess.run(
        [sys.executable, "-c", RUN, ",".join(map(str, threads))],
        cwd=folder,
        env={**os.environ, "LD_PRELOAD": str(folder / "counter.so"), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return np.load(folder / "y.npy"), [int(count) for count in done.stdout.split()], done.stderr


@pytest.mark.parametrize(
    "threads, environment", [([1] * 4, {}), ([0] * 4, {"OMP_NUM_THREADS": "1"})], ids=["asked", "environment"]
)
def test_one_thread_calls_no_openmp(folder, threads, environment):
    _, forks, _ = run(folder, threads, FORBID_OPENMP="1", **environment)
    assert forks == [0] * 4


def test_a_run_starts_threads_once(folder):
    # The first run learns that there is something to share. One that fails sends
    # its threads away, too.
    y, forks, errors = run(folder, [2, 2, 2, 2, 1, 3, 3])
    assert forks[0] > 1 and forks[1:] == [1, 1, 1, 0, 1, 1]
    assert "index" in errors
    one, _, _ = run(folder, [1] * 4)
    np.testing.assert_array_equal(y, one)


@pytest.mark.parametrize("threads", [2, 5, 80])
def test_whoever_takes_a_part_the_result_is_the_same(folder, threads):
    """Also with more threads than processors, and than parts that a loop has."""
    y, _, _ = run(folder, [threads] * 8)
    one, _, _ = run(folder, [1] * 4)
    np.testing.assert_array_equal(y, one)


def test_loops_that_are_short_start_none(folder):
    _, forks, _ = run(folder, [2] * 4, rows=2)
    assert forks == [0] * 4


def test_without_a_word_all_processors(folder):
    _, forks, _ = run(folder, [0] * 4, OMP_NUM_THREADS="2")
    assert forks[0] > 1 and forks[3] == 1


FAIL = r"""
import sys
import numpy as np, quantc
model = quantc.load("fails.so")
model.set_num_threads(int(sys.argv[1]))
x = np.ones(1 << 20, np.float32)
for bad in (None, 5, len(x) - 5, None):
    given = x.copy()
    if bad is not None:
        given[bad] = -1
    try:
        (y,) = model.run({"x": given})
        print((y == 1).all())
    except RuntimeError as error:
        print(error)
"""


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_loop_that_fails_is_an_error(threads, tmp_path, quantc_cli):
    """Whichever thread finds it; and the next run is a run as any other."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1 << 20]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "fails", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "fails.onnx")
    quantc_cli.ok("compile", "--emit=linalg", tmp_path / "fails.onnx", "-o", tmp_path / "fails.mlir")
    text = (tmp_path / "fails.mlir").read_text()
    check = r"""
      %zero = arith.constant 0.0 : f32
      %ok = arith.cmpf oge, \1, %zero : f32
      cf.assert %ok, "a number is negative"
"""
    text, count = re.subn(r"(?<=\n)(?=[^\n]*math.absf (%\w+))", check, text)
    assert count == 1
    (tmp_path / "fails.mlir").write_text(text)
    quantc_cli.ok("compile", tmp_path / "fails.mlir", "-o", tmp_path / "fails.so")
    done = subprocess.run(
        [sys.executable, "-c", FAIL, str(threads)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == lines[3] == "True"
    assert all("a number is negative" in line for line in lines[1:3]), lines


def test_library_does_not_depend_on_threads_of_the_compiler(quantc_cli, tmp_path, rng):
    """Kernels are lowered side by side, in any order: each has to come out the same."""
    nodes, weights, name = [], [], "x"
    for i, filters in enumerate((3, 5, 8, 13, 21, 34)):
        channels = 2 if i == 0 else weights[-1].dims[0]
        w = rng.standard_normal((filters, channels, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(w, f"w{i}"))
        nodes.append(helper.make_node("Conv", [name, f"w{i}"], [f"c{i}"]))
        nodes.append(helper.make_node("Softmax", [f"c{i}"], [f"s{i}"], axis=1))
        name = f"s{i}"
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 24, 24])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    processors = os.sched_getaffinity(0)
    libraries = []
    for allowed in (processors, {min(processors)}):
        os.sched_setaffinity(0, allowed)
        try:
            quantc_cli.ok("compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so")
        finally:
            os.sched_setaffinity(0, processors)
        libraries.append((tmp_path / "m.so").read_bytes())
    assert libraries[0] == libraries[1]
