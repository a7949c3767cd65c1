"""Texts of a trained language model, a token at a time, against ONNX Runtime."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import quantc
from quantc import generation, language

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "lm"
if not (FOLDER / "decode.onnx").exists():
    FOLDER = Path("/work/shared/lm")
pytestmark = pytest.mark.skipif(not (FOLDER / "decode.onnx").exists(), reason="needs the language model")

TOKENIZER = FOLDER / "tokenizer.json"
PROMPT = "The configuration file describes"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries")
    for name in ("decode", "model"):
        quantc.compile(str(FOLDER / f"{name}.onnx"), output=str(folder / f"{name}.so"))
    return folder


@pytest.fixture(scope="module")
def expected():
    """What ONNX Runtime takes for the likeliest tokens."""
    from tokenizers import Tokenizer

    session = ort.InferenceSession(str(FOLDER / "decode.onnx"), providers=["CPUExecutionProvider"])
    caches = [i.name for i in session.get_inputs() if i.name.startswith("past")]
    values = {name: np.zeros((1, 2, 0, 64), np.float32) for name in caches}
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    ids = tokenizer.encode(PROMPT).ids
    given = len(ids)
    for step in range(given + 39):
        results = session.run(None, {"input_ids": np.array([[ids[step]]], np.int64), **values})
        names = [o.name for o in session.get_outputs()]
        presents = dict(zip(names, results))
        values = {name: presents[name.replace("past_key_values", "present")] for name in caches}
        if step >= given - 1:
            ids.append(int(results[0][0, -1].argmax()))
    return ids[given:], tokenizer.decode(ids[given:])


@pytest.mark.parametrize("library", ["decode", "model"])
def test_greedy_text_is_that_of_onnx_runtime(libraries, expected, library):
    tokens, text = expected
    result = quantc.generate(str(libraries / f"{library}.so"), str(TOKENIZER), PROMPT, max_tokens=40)
    assert "".join(result) == text == result.text
    assert result.tokens == tokens
    assert result.tokens_per_second > 0 and result.peak_memory > 0
    # Two caches a layer, of two heads and 64 numbers; the last token is not fed.
    fed = len(result.prompt_tokens) + 39
    assert result.decoder.cache_bytes == (6 * 2 * 2 * 64 * 4 * fed if library == "decode" else 0)


def test_stops_at_the_end_token(libraries, expected):
    tokens, _ = expected
    end = tokens[7]
    result = quantc.generate(str(libraries / "decode.so"), str(TOKENIZER), PROMPT, max_tokens=40, end=end).finish()
    assert result.stopped_at_end
    assert result.tokens == tokens[: tokens.index(end)]


def test_a_seed_gives_the_same_text(libraries):
    def draw(seed):
        return (
            quantc.generate(
                str(libraries / "decode.so"), str(TOKENIZER), "", max_tokens=12, temperature=1.0, top_k=50, seed=seed
            )
            .finish()
            .tokens
        )

    assert draw(1) == draw(1) != draw(2)


def test_sampling():
    logits = np.log(np.array([0.1, 0.6, 0.3]))
    assert generation.sample(logits) == 1
    rng = np.random.default_rng(0)
    drawn = np.bincount([generation.sample(logits, 1.0, 0, rng) for _ in range(4000)], minlength=3) / 4000
    np.testing.assert_allclose(drawn, [0.1, 0.6, 0.3], atol=0.03)
    drawn = np.bincount([generation.sample(logits, 1.0, 2, rng) for _ in range(4000)], minlength=3) / 4000
    np.testing.assert_allclose(drawn, [0, 2 / 3, 1 / 3], atol=0.03)
    # At half the temperature, odds are squared.
    drawn = np.bincount([generation.sample(logits, 0.5, 2, rng) for _ in range(4000)], minlength=3) / 4000
    np.testing.assert_allclose(drawn, [0, 0.8, 0.2], atol=0.03)


def test_perplexity_through_the_cache(libraries):
    tokens = np.load(FOLDER / "test_tokens.npy")[:129]
    result = language.evaluate(
        str(libraries / "decode.so"), tokens, against=str(libraries / "model.so"), window=64
    )
    assert result.tokens == 128
    assert result.kl_divergence < 1e-6 and result.top1_agreement == 1


def test_command_line(libraries, expected):
    command = [sys.executable, "-m", "quantc", "generate", str(libraries / "decode.so"), f"--tokenizer={TOKENIZER}"]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [*command, f"--prompt={PROMPT}", "--max-tokens=40"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected[1] + "\n"
    labels = ["prompt tokens", "generated tokens", "tokens per second", "cache", "peak memory"]
    assert [line[:17].strip() for line in done.stderr.splitlines()] == labels
    done = subprocess.run([*command, "--end=nothing"], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr == "error: the tokenizer has no token 'nothing'\n"
    done = subprocess.run(
        [*command[:-1], "--tokenizer=missing.json"], capture_output=True, text=True, env=environment
    )
    assert done.stderr == "error: no such file: 'missing.json'\n"
