"""The library that comes out: what it needs, what it exports, and C programs."""

import os
import platform
import re
import subprocess
import sys

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc

CC = "clang-22"


def save_model(path, op="Add", constant=None):
    """y = op(x, constant), with a constant large enough to bypass LLVM."""
    if constant is None:
        constant = np.arange(4096, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node(op, ["x", "c"], ["y"], name="n")],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4096])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4096])],
        [numpy_helper.from_array(constant, "c")],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    onnx.save(model, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, quantc_cli):
    folder = tmp_path_factory.mktemp("library")
    save_model(folder / "add.onnx")
    quantc_cli.ok("compile", folder / "add.onnx", "-o", folder / "add.so")
    return folder


def readelf(*args):
    return subprocess.run(
        ["readelf", "-W", *map(str, args)], capture_output=True, text=True, check=True
    ).stdout


def test_depends_on_libc_libm_and_libomp_only(folder):
    needed = re.findall(r"NEEDED.*\[(.*)\]", readelf("-d", folder / "add.so"))
    assert set(needed) <= {"libc.so.6", "libm.so.6", "libomp.so.5"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="calls go through stubs on other processors")
def test_finds_functions_when_it_is_loaded(folder):
    library = folder / "add.so"
    assert "NOW" in readelf("-d", library)
    # Nothing is looked for at its first call: there are no stubs for that.
    assert "R_X86_64_JUMP_SLO" not in readelf("-r", library)
    assert ".plt" not in readelf("-S", library)


def test_exports_the_interface_only(folder):
    symbols = readelf("--dyn-syms", folder / "add.so").splitlines()
    exported = {s.split()[7] for s in symbols if re.search(r"(GLOBAL|WEAK) +DEFAULT +\d", s)}
    assert exported == {
        "quantc_interface",
        "quantc_model_info",
        "quantc_model_run",
        "quantc_model_last_error",
        "quantc_model_set_num_threads",
        "quantc_model_profile",
    }


PROGRAM = r"""
#include <stdio.h>
#include "add.h"
#include "mul.h"

static float x[2 * 4096];

int main(void) {
  int64_t shape[2] = {2, 4096};
  DLTensor tensor = {x, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, NULL, 0};
  const DLTensor *inputs[1] = {&tensor};
  DLManagedTensor *sum = NULL, *product = NULL;
  for (int i = 0; i < 2 * 4096; ++i)
    x[i] = 1;
  if (add_info()->abi_version != QUANTC_ABI_VERSION ||
      add_info()->num_inputs != 1 || add_info()->inputs[0].ndim != 2)
    return 2;
  if (add_run(inputs, 1, &sum, 1) || mul_run(inputs, 1, &product, 1))
    return 3;
  printf("%g %g\n", ((float *)sum->dl_tensor.data)[4096 + 7],
         ((float *)product->dl_tensor.data)[4096 + 7]);
  sum->deleter(sum);
  product->deleter(product);
  shape[1] = 3;
  if (!add_run(inputs, 1, &sum, 1))
    return 4;
  printf("%s\n", add_last_error());
  return 0;
}
"""


def path_of_libomp(library):
    listing = subprocess.run(["ldd", library], check=True, capture_output=True, text=True)
    return re.search(r"libomp\S* => (\S+)", listing.stdout)[1]


@pytest.mark.parametrize("standard", ["-std=c99", "-xc++"])
@pytest.mark.parametrize("kind", ["lib", "obj"])
def test_c_program_uses_two_models(folder, tmp_path, quantc_cli, standard, kind):
    """The headers alone suffice, and prefixes keep two models apart."""
    save_model(tmp_path / "mul.onnx", "Mul")
    files = []
    for model, where in (("add", folder), ("mul", tmp_path)):
        suffix = "so" if kind == "lib" else "o"
        files.append(tmp_path / f"{model}.{suffix}")
        quantc_cli.ok("compile", where / f"{model}.onnx", f"--prefix={model}",
                      f"--emit={kind}", "-o", files[-1])  # fmt: skip
        if kind == "obj":
            quantc_cli.ok("compile", where / f"{model}.onnx", f"--prefix={model}",
                          "-o", tmp_path / f"{model}.so")  # fmt: skip
            files.append(quantc_cli.path.parents[1] / "lib" / "libquantc_rt.a")
            files.append(path_of_libomp(tmp_path / f"{model}.so"))
    (tmp_path / "main.c").write_text(PROGRAM)
    subprocess.run(
        [CC, standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-deprecated",
         "-c", "main.c", "-o", "main.o"], cwd=tmp_path, check=True)  # fmt: skip
    subprocess.run(
        [CC, "main.o", *files, "-lm", f"-Wl,-rpath,{tmp_path}", "-o", "main"],
        cwd=tmp_path, check=True)  # fmt: skip
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert done.stdout == "8 7\ninput 'x': expected shape [n,4096], got [2,3]\n"


def test_stages_give_the_same_library(folder, tmp_path, quantc_cli):
    wanted = (folder / "add.so").read_bytes()
    for stage in ("import", "linalg", "llvm"):
        text = tmp_path / f"{stage}.mlir"
        quantc_cli.ok("compile", folder / "add.onnx", f"--emit={stage}", "-o", text)
        (tmp_path / stage).mkdir()
        output = tmp_path / stage / "add.so"
        quantc_cli.ok("compile", text, "-o", output)
        assert output.read_bytes() == wanted, stage


@pytest.mark.parametrize("way", ["file", "symbolic link", "hard link", "bytes"])
def test_weights_are_read_wherever_they_lie(way, tmp_path, rng):
    # Because of the names' lengths, some weights are aligned in the file, and some are not.
    weights = {"w" * i: rng.standard_normal((96, 96), dtype=np.float32) for i in range(1, 5)}
    nodes = [helper.make_node("MatMul", ["x" * i, "w" * i], ["x" * (i + 1)]) for i in range(1, 5)]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 96])
    constants = [numpy_helper.from_array(w, name) for name, w in weights.items()]
    graph = helper.make_graph(nodes, "chain", [value("x")], [value("xxxxx")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data = model.SerializeToString()
    assert {data.index(w.tobytes()) % 4 for w in weights.values()} > {0}
    path = tmp_path / "model.onnx"
    (tmp_path / "other").mkdir()
    stored = path if way in ("file", "bytes") else tmp_path / "other" / "blob"
    stored.write_bytes(data)
    if way == "symbolic link":
        path.symlink_to(stored)
    elif way == "hard link":
        path.hardlink_to(stored)
    compiled = quantc.compile(model if way == "bytes" else path)
    x = rng.standard_normal((2, 96), dtype=np.float32)
    (y,) = compiled.run({"x": x})
    np.testing.assert_allclose(y, np.linalg.multi_dot([x, *weights.values()]), rtol=1e-3, atol=1e-2)


def test_run_info_and_bench(folder, tmp_path, quantc_cli):
    x = np.random.default_rng(0).random((3, 4096), np.float32)
    for save, name in ((np.savez, "x.npz"), (np.savez_compressed, "c.npz")):
        save(tmp_path / name, x=x)
        quantc_cli.ok("run", folder / "add.so", f"--inputs={tmp_path / name}",
                      f"--outputs={tmp_path / 'y.npz'}")  # fmt: skip
        y = np.load(tmp_path / "y.npz")["y"]
        np.testing.assert_array_equal(y, x + np.arange(4096, dtype=np.float32))
    for file in ("add.so", "add.onnx"):
        text = quantc_cli.ok("info", folder / file)
        assert "[n,4096]" in text
    text = quantc_cli.ok("bench", folder / "add.so", "--shape=x:5x4096", "--runs=3")
    assert "median" in text and "3 runs" in text


@pytest.mark.parametrize(
    "args, text",
    [
        (["compile", "{onnx}", "--target=z80"], "unknown target 'z80'"),
        (["compile", "{onnx}", "--emit=magic"], "--emit=magic"),
        (["compile", "{onnx}", "--shape=x"], "is not like name:1x128"),
        (["compile", "{onnx}", "--prefix=1-2"], "--prefix=1-2"),
        (["compile", "nowhere.onnx"], "nowhere.onnx"),
        (["run", "{so}"], "no array for input 'x'"),
        (["run", "nowhere.so"], "'nowhere.so' does not exist"),
        (["info", "nowhere.so"], "nowhere.so"),
        (["bench", "{so}", "--shape=z:1"], "no input 'z'"),
        ([], "give a command"),
    ],
)
def test_command_line_errors(folder, tmp_path, quantc_cli, args, text):
    names = {"onnx": folder / "add.onnx", "so": folder / "add.so"}
    args = [arg.format(**names) for arg in args]
    if args[:1] == ["compile"]:
        args += ["-o", str(tmp_path / "out.so")]
    done = quantc_cli(*args)
    assert done.returncode != 0 and text in done.stderr, done
    assert not list(tmp_path.iterdir()), "something half-written is left"


def test_elided_weights_get_an_error(tmp_path, quantc_cli):
    """As in text that was printed without them."""
    text = """
func.func @main(%x: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %w = arith.constant dense_resource<__elided__> : tensor<64x64xf32>
  %e = tensor.empty() : tensor<64x64xf32>
  %y = linalg.add ins(%x, %w : tensor<64x64xf32>, tensor<64x64xf32>) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}
"""
    (tmp_path / "model.mlir").write_text(text)
    done = quantc_cli("compile", tmp_path / "model.mlir", "-o", tmp_path / "model.so")
    assert done.returncode == 1 and "model.mlir:3:8: the bytes of this constant are missing" in done.stderr, done
    assert not (tmp_path / "model.so").exists()


def test_old_processor_gets_an_error(folder, tmp_path, quantc_cli):
    """A library for a processor with features that no machine has together."""
    output = tmp_path / "new.so"
    quantc_cli.ok("compile", folder / "add.onnx", "-o", output,
                  "--target=x86-64-v4,+avxvnniint8,+amx-int8,+avx512fp16")  # fmt: skip
    flags = open("/proc/cpuinfo").read()
    if all(f in flags for f in ("avx_vnni_int8", "amx_int8", "avx512_fp16")):
        pytest.skip("this machine has them all")
    np.savez(tmp_path / "x.npz", x=np.ones((1, 4096), np.float32))
    done = quantc_cli("run", output, f"--inputs={tmp_path / 'x.npz'}")
    assert done.returncode == 1 and "this processor lacks" in done.stderr


RUNS_HERE = """
import sys
import numpy as np
import quantc
model = quantc.load(sys.argv[1])
np.savez(sys.argv[3], *model.run(dict(np.load(sys.argv[2]))))
"""


def run_without(library, feed, features, folder):
    """What a fresh process returns whose processor lacks these features."""
    np.savez(folder / "in.npz", **feed)
    env = {**os.environ, "QUANTC_DISABLE_FEATURES": ",".join(features)}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", RUNS_HERE, library, folder / "in.npz", folder / "out.npz"],
        env=env, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        return done.stderr
    return list(np.load(folder / "out.npz").values())


def test_several_targets_in_one_library(tmp_path, quantc_cli, rng):
    """The library takes the first variant that the processor can run; each
    variant computes what a library for its target alone does."""
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "w"], ["y"]),
                helper.make_node("MatMulInteger", ["b", "wi"], ["z"]),
            ],
            "two",
            [
                helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 300]),
                helper.make_tensor_value_info("b", TensorProto.UINT8, ["n", 300]),
            ],
            [
                helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 70]),
                helper.make_tensor_value_info("z", TensorProto.INT32, ["n", 70]),
            ],
            [
                numpy_helper.from_array(rng.standard_normal((300, 70), np.float32), "w"),
                numpy_helper.from_array(rng.integers(-128, 128, (300, 70), np.int8), "wi"),
            ],
        )
    )
    onnx.save(model, tmp_path / "two.onnx")
    feed = {"x": rng.standard_normal((9, 300), np.float32), "b": rng.integers(0, 256, (9, 300), np.uint8)}
    several, best, base = (tmp_path / name for name in ("several.so", "best.so", "base.so"))
    targets = {several: "x86-64-v4,+avxvnniint8,+amx-int8,+avx512fp16/native/x86-64", best: "native", base: "x86-64"}
    for output, target in targets.items():
        quantc_cli.ok("compile", tmp_path / "two.onnx", "-o", output, f"--target={target}")
    exact = feed["b"].astype(np.int32) @ numpy_helper.to_array(model.graph.initializer[1]).astype(np.int32)

    # Without a feature that the first variant needs, the second one runs.
    ours, alone = (run_without(so, feed, ["avxvnniint8"], tmp_path) for so in (several, best))
    np.testing.assert_array_equal(ours[0], alone[0])
    np.testing.assert_array_equal(ours[1], exact)
    old = ["sse3", "avx", "avx2", "fma"]
    ours, alone = (run_without(so, feed, old, tmp_path) for so in (several, base))
    np.testing.assert_array_equal(ours[0], alone[0])
    np.testing.assert_array_equal(ours[1], exact)
    # Where no variant fits, the error is that of the least demanding one.
    modern = tmp_path / "modern.so"
    quantc_cli.ok("compile", tmp_path / "two.onnx", "-o", modern, "--target=x86-64-v4/x86-64-v3")
    error = run_without(modern, feed, old, tmp_path)
    assert "this processor lacks" in error, error


@pytest.mark.parametrize("channels", [3, 64])
def test_targets_that_pack_filters_differently(channels, tmp_path, quantc_cli, rng):
    """AVX-512 VNNI packs the integer filters, and the other targets read them as they are."""
    weights = rng.integers(-128, 128, (64, channels, 3, 3), np.int8)
    constants = {
        "w": weights.astype(np.float32), "wi": weights, "x_scale": np.float32(1), "x_zero": np.uint8(128),
        "w_scale": np.float32(1), "w_zero": np.int8(0), "z_scale": np.float32(2.0**12), "z_zero": np.uint8(128),
    }  # fmt: skip
    quantized = ["b", "x_scale", "x_zero", "wi", "w_scale", "w_zero", "z_scale", "z_zero"]
    value = lambda name, kind, channels: helper.make_tensor_value_info(name, kind, [1, channels, 12, 12])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"]), helper.make_node("QLinearConv", quantized, ["z"])],
        "convolutions",
        [value("x", TensorProto.FLOAT, channels), value("b", TensorProto.UINT8, channels)],
        [helper.make_tensor_value_info(name, kind, [1, 64, 10, 10])
         for name, kind in (("y", TensorProto.FLOAT), ("z", TensorProto.UINT8))],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    b = rng.integers(0, 256, (1, channels, 12, 12), np.uint8)
    feed = {"x": b.astype(np.float32) - 128, "b": b}
    windows = np.lib.stride_tricks.sliding_window_view(feed["x"][0].astype(np.int64), (3, 3), axis=(1, 2))
    # All sums are integers that f32 holds.
    sums = np.einsum("chwij,fcij->fhw", windows, weights.astype(np.int64))[None]
    expected = [sums, np.clip(np.rint(sums / 2.0**12) + 128, 0, 255)]

    library = tmp_path / "model.so"
    for targets in (["x86-64-v3", "x86-64", "x86-64-v4,+avx512vnni"], ["x86-64-v4,+avx512vnni", "x86-64-v3", "x86-64"]):
        quantc_cli.ok("compile", tmp_path / "model.onnx", "-o", library, f"--target={'/'.join(targets)}")
        for lacks in ([], ["avx512vnni"], ["avx512vnni", "avx2", "fma"]):
            for actual, wanted in zip(run_without(library, feed, lacks, tmp_path), expected):
                np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize(
    "args, text",
    [
        (["--target=x86-64-v3/aarch64"], "one library is for one architecture"),
        (["--target=x86-64-v3/"], "unknown target ''"),
        (["--target=multi", "--emit=asm"], "show the code for one target"),
        (["--target=multi", "--profile"], "--profile counts the kernels of one target"),
    ],
)
def test_errors_of_several_targets(folder, tmp_path, quantc_cli, args, text):
    done = quantc_cli("compile", folder / "add.onnx", "-o", tmp_path / "out.so", *args)
    assert done.returncode != 0 and text in done.stderr, done
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "graph, expected",
    [
        ("(float[16, 0] x) => (float[16] y) { axis = Constant <value_ints = [1]> () y = ReduceSum <keepdims = 0> (x, axis) }", (16,)),
        ("(float[4, 0, 5] x) => (float[4, 5] y) { axis = Constant <value_ints = [1]> () y = ReduceSum <keepdims = 0> (x, axis) }", (4, 5)),
        ("(float[16, 0] x) => (float[16, 16] y) { t = Transpose (x) y = MatMul (x, t) }", (16, 16)),
        ("(float[8, 0] x) => (float[8] y) { s = Softmax (x) axis = Constant <value_ints = [1]> ()"
         " y = ReduceSum <keepdims = 0> (s, axis) }", (8,)),
        ("(float[16, 0] x) => (float[0, 16] y) { y = Transpose (x) }", (0, 16)),
    ],
)  # fmt: skip
def test_tensors_without_elements(graph, expected):
    """Kernels take them, too; a sum over none is 0."""
    text = '<ir_version: 10, opset_import: ["" : 21]> g ' + graph
    library = quantc.compile(onnx.parser.parse_model(text))
    shape = [int(size) for size in re.search(r"\[([\d, ]*)\]", graph).group(1).split(",")]
    np.testing.assert_array_equal(library.run({"x": np.zeros(shape, np.float32)})[0], np.zeros(expected, np.float32))


@pytest.mark.parametrize(
    "args, text",
    [
        (["--emit=import", "--float-products=bf16"], "--float-products decides how linalg becomes code"),
        (["--emit=obj", "-o", "-"], "an object or a library needs a file: give -o"),
        (["--emit=obj", "-o", "missing/folder/model.o"], "missing/folder/model.o"),
    ],
)
def test_options_are_checked_before_the_work(folder, quantc_cli, args, text):
    """Nothing is printed, either."""
    done = quantc_cli("compile", folder / "add.onnx", *args)
    assert done.returncode != 0 and text in done.stderr and not done.stdout, done


@pytest.mark.parametrize(
    "stage, args, text",
    [
        ("linalg", ["--emit=import"], "the input is past the stage that --emit asks for"),
        ("linalg", ["--emit=llvm", "--quantize=w8"], "only a graph of qnn ops can be quantized"),
        ("llvm", ["--emit=obj", "--target=multi", "-o", "model.o"], "code in the LLVM dialect is for one target"),
    ],
)
def test_stages_that_are_past(folder, tmp_path, quantc_cli, stage, args, text):
    quantc_cli.ok("compile", folder / "add.onnx", f"--emit={stage}", "-o", tmp_path / "add.mlir")
    done = quantc_cli("compile", tmp_path / "add.mlir", *args)
    assert done.returncode != 0 and text in done.stderr and not done.stdout, done
