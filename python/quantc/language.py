"""What a language model loses by quantization: perplexity and its kin.

>>> result = quantc.language.evaluate("w4.so", "tokens.npy", against="float.so")
>>> result.perplexity, result.kl_divergence, result.top1_agreement
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .generation import Decoder


@dataclass
class Evaluation:
    """Over all scored tokens."""

    perplexity: float
    tokens: int
    seconds: float
    """Seconds that the model ran (the other model, and scoring, do not count)."""
    kl_divergence: float | None = None
    """The mean of KL(other model's distribution || this model's), in nats."""
    top1_agreement: float | None = None
    """How often both models find the same token the most likely one."""

    @property
    def tokens_per_second(self):
        return self.tokens / self.seconds if self.seconds else math.inf


def windows(tokens, window=256, stride=None, limit=0):
    """Cuts tokens into (input [1, window], next tokens, first scored position).

    Each window starts `stride` tokens after the last one (without a stride,
    where the last one ended) and is scored on the tokens that follow its
    positions; where windows overlap, on the last `stride` of them only.
    """
    tokens = np.asarray(tokens).astype(np.int64).reshape(-1)
    stride = stride or window
    if window < 1 or not 1 <= stride <= window:
        raise ValueError(f"window {window} and stride {stride}: 1 <= stride <= window")
    count = 0
    for start in range(0, len(tokens) - window, stride):
        if limit and count == limit:
            return
        first = 0 if count == 0 else window - stride
        yield tokens[None, start : start + window], tokens[start + 1 : start + window + 1], first
        count += 1


def _log_probabilities(logits):
    logits = np.asarray(logits, dtype=np.float64)
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


class _Scorer(Decoder):
    """A model as a function from tokens to logits [tokens, vocabulary]."""

    def __call__(self, tokens):
        self.reset()
        return self.feed(tokens)


def evaluate(model, tokens, against=None, window=256, stride=None, limit=0, progress=None):
    """Scores a model on tokens, and compares it with another one.

    Args:
      model: a compiled model, or the path of one.
      tokens: an array of token ids, or the path of an .npy file.
      against: the model that it should be like (the float one), its path, or a function from tokens [1, n] to logits
        [n, vocabulary].
      window, stride, limit: how the tokens are cut; see `windows`.
      progress: called with (number of the window, number of windows, perplexity
        so far).
    """
    if isinstance(tokens, (str, Path)):
        tokens = np.load(tokens)
    parts = list(windows(tokens, window, stride, limit))
    if not parts:
        raise ValueError(f"{len(np.ravel(tokens))} tokens are not enough for a window of {window}")
    scorer = _Scorer(model)
    other = against if not against or callable(against) else _Scorer(against)
    total, scored, divergence, agreement = 0.0, 0, 0.0, 0
    for number, (ids, following, first) in enumerate(parts, 1):
        log_p = _log_probabilities(scorer(ids)[first:])
        following = following[first:]
        if following.max() >= log_p.shape[1] or following.min() < 0:
            raise ValueError(f"a token is not in the vocabulary of {log_p.shape[1]}")
        total -= float(log_p[np.arange(len(following)), following].sum())
        scored += len(following)
        if other:
            log_q = _log_probabilities(other(ids)[first:])
            divergence += float((np.exp(log_q) * (log_q - log_p)).sum())
            agreement += int((log_p.argmax(-1) == log_q.argmax(-1)).sum())
        if progress:
            progress(number, len(parts), math.exp(min(700, total / scored)))
    result = Evaluation(math.exp(min(700, total / scored)), scored, scorer.seconds)
    if other:
        result.kl_divergence = divergence / scored
        result.top1_agreement = agreement / scored
    return result
