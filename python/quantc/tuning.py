"""Which layers to quantize, and in what blocks to compute: found by measuring."""

import os
import tempfile

import numpy as np

from . import _quantc
from ._arguments import to_model, to_shapes
from .calibration import _write_data
from .recipe import to_text


class Tuning:
    """What `tune` found. `compile(..., quantize=tuning)` uses it.

    `yaml` is the recipe as a file would hold it. `found`, `base` and `float` are
    what was measured of the model with it, with the given recipe and in float:
    dictionaries of `loss`, `bytes` and `seconds`. `layers` says the same of each
    layer in each form, with the form that was `chosen`. Printed, it is a table.
    """

    def __init__(self, result):
        self.yaml = result["yaml"]
        self.layers = result["layers"]
        self.found = result["found"]
        self.base = result["base"]
        self.float = result["float"]
        self._table = result["table"]

    def save(self, path):
        """Writes the recipe as a file that `--quantize` takes."""
        with open(os.fspath(path), "w", encoding="utf-8") as file:
            file.write(self.yaml)

    def __str__(self):
        return self._table

    def __repr__(self):
        return f"Tuning({len(self.layers)} layers, {self.found})"


def tune(
    model,
    quantize="w8a8",
    calibration=None,
    stats=None,
    max_loss=None,
    max_bytes=None,
    max_latency=None,
    minimize="latency",
    bits=(),
    shapes=None,
    samples=8,
    runs=15,
    threads=1,
):
    """Finds a recipe that keeps a model within a budget, by measuring each layer.

    Args:
      model: a path, the bytes of a model, or an `onnx.ModelProto`.
      quantize: the recipe to vary, as `compile` takes it.
      calibration: data to measure losses on, and to calibrate with if there are
        no `stats`.
      stats: statistics, as `calibrate` gives or writes them.
      max_loss: the noise at the worst output, as a part of the output.
      max_bytes: bytes of the library's constants.
      max_latency: seconds of a run on the first sample.
      minimize: what to gain with a loss alone: "latency" or "bytes".
      bits: bits of weights to try beside float.
      shapes: sizes for dynamic dimensions, as in `{"x": (1, 128)}`.
      samples: how many samples losses are measured on.
      runs: how many runs a time is the median of.
      threads: how many threads a run uses.
    """
    model = to_model(model)
    if minimize not in ("latency", "bytes"):
        raise ValueError(f'minimize="{minimize}": use "latency" or "bytes"')
    for name, limit in (("max_loss", max_loss), ("max_bytes", max_bytes), ("max_latency", max_latency)):
        if limit is not None and not limit > 0:
            raise ValueError(f"{name} must be positive")
    shapes = to_shapes(shapes)
    with tempfile.TemporaryDirectory(prefix="quantc-") as folder:
        return Tuning(
            _quantc.tune(
                model,
                to_text(quantize),
                "" if calibration is None else _write_data(calibration, folder),
                os.fspath(getattr(stats, "path", stats) or ""),
                shapes,
                max_loss or 0,
                max_bytes or 0,
                max_latency or 0,
                minimize == "bytes",
                list(bits),
                samples,
                runs,
                threads,
            )
        )


class KernelTuning:
    """What `tune_kernels` found.

    `path` is the file of blocks, `kernels` what is known of each product: its
    name, its blocks by the compiler (`default`) and now (`blocks`), and the
    seconds that it takes in a run. Printed, it is a table.
    """

    def __init__(self, result, path):
        self.path = path
        self.kernels = result["kernels"]
        self.default_seconds = result["default_seconds"]
        self.seconds = result["seconds"]
        self._table = result["table"]

    def __fspath__(self):
        return self.path

    def __str__(self):
        return self._table

    def __repr__(self):
        return f"KernelTuning({self.path!r}, {len(self.kernels)} kernels)"


def tune_kernels(
    model,
    path,
    inputs,
    quantize=None,
    calibration=None,
    stats=None,
    shapes=None,
    target="native",
    rounds=7,
    threads=1,
):
    """Searches the blocks in which the products of a model are fastest on this
    machine, and adds them to a file: `compile(..., kernels=path)` uses it.

    Args:
      model: a path, the bytes of a model, or an `onnx.ModelProto`.
      path: the file. Products that it knows are not searched again.
      inputs: an array for each input, by its name.
      quantize, calibration, stats: as `compile` takes them.
      shapes: sizes for dynamic dimensions, as in `{"x": (1, 128)}`.
      target: what to compile for; this machine must be able to run it.
      rounds: turns of each candidate, of which the fastest counts.
      threads: how many threads a run uses.
    """
    path = os.fspath(path)
    if rounds < 1:
        raise ValueError("rounds must be positive")
    with tempfile.TemporaryDirectory(prefix="quantc-") as folder:
        result = _quantc.tune_kernels(
            to_model(model),
            path,
            {name: np.asarray(array) for name, array in inputs.items()},
            to_text(quantize),
            "" if calibration is None else _write_data(calibration, folder),
            os.fspath(getattr(stats, "path", stats) or ""),
            to_shapes(shapes),
            target,
            rounds,
            threads,
        )
    return KernelTuning(result, path)
