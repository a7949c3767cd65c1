"""Integer products for processors that this machine is not: run under qemu-user
where it can emulate them, and looked at as assembly where it cannot.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from emulated_instructions import compile_emulated
from onnx import helper, numpy_helper
from test_integer_products import SIGNS, TYPES, convolve, random_bytes, subtract, wrap

M, K, N = 37, 147, 29
ARM = "/usr/aarch64-linux-gnu"
GCC = "/usr/lib/gcc-cross/aarch64-linux-gnu"

needs_qemu = pytest.mark.skipif(
    not (shutil.which("qemu-aarch64") and shutil.which("clang-22") and Path(GCC).exists()),
    reason="needs qemu-user, clang-22, libc6-dev-arm64-cross and libgcc-12-dev-arm64-cross",
)


def value_info(name, dtype, shape):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)


def build_model(path, rng):
    """All signs and sorts of zero points in one model, and what it returns for
    the two inputs, which it returns as well."""
    feed = {s: random_bytes(rng, s, (M, K)) for s in "us"}
    image = random_bytes(rng, "u", (1, 6, 9, 11))
    nodes, constants, results = [], {}, []
    for signs in SIGNS:
        for zeros in ("none", "scalar", "vector"):
            name = f"{signs}_{zeros}"
            a, b = feed[signs[0]], random_bytes(rng, signs[1], (K, N))
            constants[f"b_{name}"] = b
            names = [signs[0], f"b_{name}"]
            if zeros == "none":
                expected = wrap(subtract(a, 0) @ subtract(b, 0))
            else:
                shapes = ((M,), (N,)) if zeros == "vector" else ((), ())
                za, zb = (random_bytes(rng, s, shape) for s, shape in zip(signs, shapes))
                constants |= {f"za_{name}": za, f"zb_{name}": zb}
                names += [f"za_{name}", f"zb_{name}"]
                expected = wrap(subtract(a, za.reshape(-1, 1) if za.ndim else za) @ subtract(b, zb))
            nodes.append(helper.make_node("MatMulInteger", names, [name]))
            results.append((name, expected))
    for sign in "us":
        w, zx = random_bytes(rng, sign, (5, 6, 3, 3)), np.array(9, np.uint8)
        zw = np.array(3 if sign == "u" else 0, w.dtype)
        constants |= {f"w_{sign}": w, f"zx_{sign}": zx, f"zw_{sign}": zw}
        nodes.append(
            helper.make_node(
                "ConvInteger", ["x", f"w_{sign}", f"zx_{sign}", f"zw_{sign}"], [f"conv_{sign}"], pads=[1] * 4
            )
        )
        acc = convolve(subtract(image, zx), subtract(w, zw), (1, 1), (1, 1), (1, 1, 1, 1), 1)
        results.append((f"conv_{sign}", wrap(acc)))
    feed["x"] = image
    graph = helper.make_graph(
        nodes,
        "integers",
        [value_info(name, value.dtype, value.shape) for name, value in feed.items()],
        [value_info(name, value.dtype, value.shape) for name, value in results],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return feed, results


# libomp with one thread: there is none for this target here.
OPENMP = r"""
void GOMP_parallel(void (*task)(void *), void *data, unsigned threads, unsigned flags) { task(data); }
int omp_get_thread_num(void) { return 0; }
int omp_get_num_threads(void) { return 1; }
int omp_get_max_threads(void) { return 1; }
int omp_get_num_procs(void) { return 1; }
"""


def program(feed, results):
    """Reads the inputs from stdin, writes the outputs to stdout."""
    lines = [OPENMP, "#include <stdio.h>", '#include "model.h"', "int main(void) {"]
    for i, value in enumerate(feed.values()):
        shape = ", ".join(map(str, value.shape))
        kind = "kDLUInt" if value.dtype == np.uint8 else "kDLInt"
        lines += [
            f"static char data{i}[{value.size}]; int64_t shape{i}[] = {{{shape}}};",
            f"if (fread(data{i}, 1, {value.size}, stdin) != {value.size}) return 2;",
            f"DLTensor t{i} = {{data{i}, {{kDLCPU, 0}}, {value.ndim}, {{{kind}, 8, 1}}, shape{i}, NULL, 0}};",
        ]
    inputs = ", ".join(f"&t{i}" for i in range(len(feed)))
    lines += [
        f"const DLTensor *in[] = {{{inputs}}}; DLManagedTensor *out[{len(results)}];",
        f"if (model_run(in, {len(feed)}, out, {len(results)})) {{",
        '  fprintf(stderr, "%s", model_last_error()); return 3; }',
    ]
    for i, (_, value) in enumerate(results):
        lines.append(f"fwrite(out[{i}]->dl_tensor.data, 4, {value.size}, stdout);")
    return "\n".join([*lines, "return 0; }"])


@pytest.mark.parametrize(
    ("target", "instruction"),
    [
        ("x86-64-v3,+avxvnni", "avx512.vpdpbusd.256"),
        ("x86-64-v4", "avx512.pmaddw.d.512"),
        ("x86-64-v4,+avx512vnni", "avx512.vpdpbusd.512"),
        ("amx", "tdpbssd.internal"),
    ],
)
def test_emulated(target, instruction, quantc_cli, tmp_path):
    feed, results = build_model(tmp_path / "model.onnx", np.random.default_rng(6))
    model, emulated = compile_emulated(quantc_cli, tmp_path / "model.onnx", target, tmp_path)
    assert "llvm.x86." + instruction in emulated
    for output, (name, expected) in zip(model.run(list(feed.values())), results):
        np.testing.assert_array_equal(output, expected, err_msg=name)


@needs_qemu
@pytest.mark.parametrize("features", ["", ",+dotprod", ",+dotprod,+i8mm"])
def test_aarch64(features, quantc_cli, source_dir, tmp_path):
    feed, results = build_model(tmp_path / "model.onnx", np.random.default_rng(5))
    quantc_cli.ok(
        "compile", tmp_path / "model.onnx", "--target=aarch64" + features, "--emit=obj", "--prefix=model",
        "-o", tmp_path / "model.o",
    )  # fmt: skip
    quantc_cli.ok("compile", tmp_path / "model.onnx", "--prefix=model", "-o", tmp_path / "model.so")  # for its header
    (tmp_path / "main.c").write_text(program(feed, results))
    runtime = source_dir / "lib" / "Runtime"
    command = ["clang-22", "--target=aarch64-linux-gnu", "-fuse-ld=lld", f"-I{source_dir / 'include'}", "-I."]
    command += [f"-L{ARM}/lib", f"-B{ARM}/lib", f"-I{ARM}/include", "-O1", "-static", "-w", "-o", "program"]
    command += ["main.c", "model.o", *map(str, sorted(runtime.glob("*.c"))), "-lm"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    data = b"".join(value.tobytes() for value in feed.values())
    ran = subprocess.run(["qemu-aarch64", "-cpu", "max", tmp_path / "program"], input=data, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    output = np.frombuffer(ran.stdout, np.int32)
    for name, expected in results:
        np.testing.assert_array_equal(output[: expected.size].reshape(expected.shape), expected, err_msg=name)
        output = output[expected.size :]


@pytest.mark.parametrize(
    ("target", "instructions"),
    [
        ("x86-64", ["pmaddwd"]),
        ("x86-64-v3", ["vpmaddwd"]),
        ("x86-64-v3,+avxvnni", ["{vex} vpdpbusd"]),
        ("x86-64-v4", ["vpmaddwd", "%zmm"]),
        ("x86-64-v4,+avx512vnni", ["vpdpbusd", "%zmm"]),
        ("amx", ["tdpbusd", "tdpbssd", "tdpbuud", "tdpbsud", "ldtilecfg"]),
        ("aarch64,+dotprod", ["udot", "sdot"]),
        ("aarch64,+dotprod,+i8mm", ["usdot"]),
    ],
)
def test_instructions(target, instructions, quantc_cli, tmp_path):
    build_model(tmp_path / "model.onnx", np.random.default_rng(5))
    quantc_cli.ok(
        "compile", tmp_path / "model.onnx", f"--target={target}", "--emit=asm", "-o", tmp_path / "model.s"
    )
    text = " ".join((tmp_path / "model.s").read_text().split())
    for instruction in instructions:
        assert instruction in text
