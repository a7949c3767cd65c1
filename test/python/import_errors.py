"""Models of one node that the importer refuses, in ONNX's text form."""

import re

import onnx.parser
import pytest

import quantc


def one_node(inputs, node, opset=21, ml=5, outputs="float y", hides=False):
    """A model of `node`, as in `Gemm <alpha = 2.0> (a, b)`. `hides` passes the first
    input through an op that ONNX's shape inference does not know, so that what it
    would refuse is left to the importer."""
    names = ", ".join(output.split()[-1] for output in outputs.split(","))
    hidden = ""
    if hides:
        first = re.match(r"\w+(?:\[[^]]*\])? (\w+)", inputs)
        name = first[1]
        inputs = inputs[: first.start(1)] + "given" + inputs[first.end(1) :]
        hidden = f"{name} = com.microsoft.Gelu (given)"
    return onnx.parser.parse_model(
        f"""
        <ir_version: 10, opset_import: ["": {opset}, "com.microsoft": 1, "ai.onnx.ml": {ml}]>
        refused ({inputs}) => ({outputs}) {{
            {hidden}
            [culprit] {names} = {node}
        }}"""
    )


def check_refused(tmp_path, inputs, node, said, **options):
    """Asserts that the import fails with `said`, after the node's name, and leaves nothing."""
    domain, op = re.match(r"((?:\w+\.)*)(\w+)", node).groups()
    library = tmp_path / "model.so"
    with pytest.raises(quantc.CompileError) as error:
        quantc.compile(one_node(inputs, node, **options), output=library)
    said = re.escape(f"node 'culprit' (op {op}, domain {domain.rstrip('.') or 'ai.onnx'}, opset ") + rf"\d+\): {re.escape(said)}$"
    assert re.search(said, str(error.value), re.MULTILINE), str(error.value)
    assert not list(tmp_path.iterdir())
