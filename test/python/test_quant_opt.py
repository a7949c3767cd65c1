"""quant-opt as its users meet it: what it lists, and what it refuses."""


def test_lists_our_dialect_and_those_on_the_way_down(quant_opt):
    dialects = quant_opt.ok("--show-dialects").split()[-1].split(",")
    assert {"qnn", "linalg", "vector", "llvm"} <= set(dialects)


def test_bad_input_is_an_error_not_a_crash(quant_opt, tmp_path):
    bad = tmp_path / "bad.mlir"
    bad.write_text("func.func @f(%x: tensor<2xf32>) { qnn.unary }")
    done = quant_opt(bad)
    assert done.returncode == 1
    assert "bad.mlir:1:" in done.stderr
