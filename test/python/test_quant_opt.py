"""quant-opt as its users meet it: what it lists, and what it refuses."""

import re

from statistics_file import write_statistics


def test_lists_our_dialect_and_those_on_the_way_down(quant_opt):
    dialects = quant_opt.ok("--show-dialects").split()[-1].split(",")
    assert {"qnn", "linalg", "vector", "llvm"} <= set(dialects)


def test_bad_input_is_an_error_not_a_crash(quant_opt, tmp_path):
    bad = tmp_path / "bad.mlir"
    bad.write_text("func.func @f(%x: tensor<2xf32>) { qnn.unary }")
    done = quant_opt(bad)
    assert done.returncode == 1
    assert "bad.mlir:1:" in done.stderr


def test_activations_stay_unsigned(quant_opt, tmp_path):
    """Where weights would stand: the same scale, and a zero point that lies 128 higher."""
    graph = """func.func @main(%a: tensor<2x3xf32> {qnn.name = "a"}, %b: tensor<3x2xf32> {qnn.name = "b"})
        -> tensor<2x2xf32> {
      %y = qnn.matmul %a, %b : tensor<2x3xf32>, tensor<3x2xf32> -> tensor<2x2xf32>
      return %y : tensor<2x2xf32>
    }"""
    write_statistics(tmp_path / "s.npz", {"a": [[[0, 0, 1]]], "b": [[[-1, 3]]]})
    found = {}
    for option in ("", "keep-unsigned"):
        passes = f"qnn-quantize{{recipe=w8a8-insist statistics={tmp_path / 's.npz'} {option}}}"
        text = quant_opt.ok(f"--pass-pipeline=builtin.module(func.func({passes}))", input=graph)
        constants = dict(re.findall(r"(%\w+) = qnn.constant dense<(.*?)>", text))
        scale, zero, element = re.search(
            r"qnn.quantize %arg1, (%\w+) zero_point (%\w+) : .* -> tensor<3x2x(\w+)>", text
        ).groups()
        found[option] = constants[scale], int(constants[zero]), element
    assert found[""] == (found["keep-unsigned"][0], found["keep-unsigned"][1] - 128, "i8")
    assert found["keep-unsigned"][2] == "ui8"
