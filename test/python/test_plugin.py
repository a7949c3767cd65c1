"""The example of docs/AddingAPass.md: a pass outside the tree, built and run."""

import subprocess

import pytest

GELU = """
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = qnn.unary gelu %x : tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
"""


@pytest.fixture(scope="module")
def plugin(source_dir, build_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    example = source_dir / "docs" / "examples" / "approximate-gelu"
    configure = ["cmake", "-G", "Ninja", "-S", example, "-B", folder, "-DCMAKE_CXX_COMPILER=clang++-22"]
    subprocess.run([*configure, f"-DQuantc_DIR={build_dir}/cmake"], check=True)
    subprocess.run(["cmake", "--build", folder], check=True)
    return folder / "ApproximateGelu.so"


def test_runs_in_a_pipeline(plugin, quant_opt):
    pipeline = "--pass-pipeline=builtin.module(func.func(approximate-gelu),canonicalize)"
    out = quant_opt.ok(f"--load-pass-plugin={plugin}", pipeline, input=GELU)
    out = " ".join(out.split())
    assert "qnn.unary gelu_tanh" in out
    assert "qnn.unary gelu %" not in out


def test_is_listed_in_the_help(plugin, quant_opt):
    help_text = quant_opt.ok(f"--load-pass-plugin={plugin}", "--help")
    assert "Replace the exact GELU by its tanh approximation" in help_text
