"""Perplexity and the comparison of language models, on a model of one table."""

import math
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc
from quantc import language

VOCABULARY = 16


def make_model(table):
    """The logits of the next token are a row of a table."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "n", VOCABULARY])],
        [numpy_helper.from_array(table.astype(np.float32), "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("language")
    tables = [rng.standard_normal((VOCABULARY, VOCABULARY)) for _ in range(2)]
    paths = []
    for i, table in enumerate(tables):
        paths.append(folder / f"{i}.so")
        quantc.compile(make_model(table), output=str(paths[-1]))
    tokens = rng.integers(0, VOCABULARY, 101)
    np.save(folder / "tokens.npy", tokens.astype(np.int32))
    return tables, paths, tokens, folder / "tokens.npy"


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_evaluation_against_definitions(models):
    tables, paths, tokens, file = models
    p, q = (log_softmax(table)[tokens[:100]] for table in tables)
    result = language.evaluate(str(paths[0]), str(file), against=str(paths[1]), window=25)
    assert result.tokens == 100
    assert result.perplexity == pytest.approx(math.exp(-p[np.arange(100), tokens[1:]].mean()), rel=1e-5)
    assert result.kl_divergence == pytest.approx((np.exp(q) * (q - p)).sum(-1).mean(), rel=1e-5)
    assert result.top1_agreement == (p.argmax(-1) == q.argmax(-1)).mean()
    known = language.evaluate(str(paths[0]), str(file), against=lambda ids: tables[1][ids[0]], window=25)
    assert known.kl_divergence == pytest.approx(result.kl_divergence, rel=1e-5)


def test_a_model_agrees_with_itself(models):
    _, paths, tokens, _ = models
    seen = []
    result = language.evaluate(
        str(paths[0]), tokens, against=str(paths[0]), window=50, progress=lambda *a: seen.append(a)
    )
    assert result.kl_divergence == 0 and result.top1_agreement == 1
    assert [(number, count) for number, count, _ in seen] == [(1, 2), (2, 2)]


def test_overlapping_windows_score_each_token_once(models):
    _, paths, tokens, _ = models
    parts = list(language.windows(tokens, 20, 10))
    scored = np.concatenate([following[first:] for _, following, first in parts])
    np.testing.assert_array_equal(scored, tokens[1 : 1 + len(scored)])
    apart = language.evaluate(str(paths[0]), tokens, window=20)
    overlapping = language.evaluate(str(paths[0]), tokens, window=20, stride=10)
    # This model knows no context.
    assert overlapping.perplexity == pytest.approx(apart.perplexity, rel=1e-12)


def test_command_line(models):
    _, paths, _, file = models
    command = [sys.executable, "-m", "quantc", "perplexity", paths[0], f"--tokens={file}", f"--against={paths[1]}"]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([*command, "--window=25"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    labels = ["perplexity", "KL divergence", "top-1 agreement", "scored tokens", "tokens per second"]
    assert [line[:17].strip() for line in done.stdout.splitlines()] == labels
    done = subprocess.run([*command, "--window=200"], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr == "error: 101 tokens are not enough for a window of 200\n"


def test_tokens_outside_of_the_vocabulary(models):
    _, paths, tokens, _ = models
    wrong = tokens.copy()
    wrong[30] = -1
    with pytest.raises(ValueError, match="a token is not in the vocabulary of 16"):
        language.evaluate(str(paths[0]), wrong, window=30)
