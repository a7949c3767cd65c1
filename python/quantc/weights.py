"""The weight methods on numpy arrays."""

import types

import numpy as np

from . import _quantc
from .recipe import to_text


def quantize_matrix(weights, recipe, gram=None, tokens=0):
    """What a recipe makes of a matrix [inputs, outputs].

    ``gram`` is X^T X of the inputs, or its diagonal where a method needs no more, and ``tokens`` how many rows X has (0: not
    known), by which GPTQ decides how far to trust it. The result has ``codes``, ``scales``,
    ``zero_points`` (of integers), ``values`` (the real numbers again), and for scales of two levels ``scale_codes``,
    ``scale_factors`` and ``offset_codes``, ``offset_factors``.
    """
    weights = np.ascontiguousarray(weights, np.float32)
    gram = np.empty(0) if gram is None else np.ascontiguousarray(gram, np.float64)
    return types.SimpleNamespace(**_quantc.quantize_matrix(weights, to_text(recipe), gram, tokens))
