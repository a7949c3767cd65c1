"""Statistics of a model's values over data, for static quantization."""

import os
import tempfile
import typing

import numpy as np

from . import _quantc
from ._arguments import to_model, to_shapes


class Choice(typing.NamedTuple):
    """The interval that a range method chose, and what it is quantized with."""

    min: float
    max: float
    scale: float
    zero_point: int


def choose_range(values, method="minmax", bits=8, signed=False, scheme="asymmetric"):
    """The `Choice` of a range method for an array's elements."""
    values = np.ascontiguousarray(values, np.float32).reshape(-1)
    return Choice(*_quantc.choose_range(values, method, bits, signed, scheme))


def _split(flat, sizes):
    """Parts of an array, one after the other."""
    return np.split(flat, np.cumsum(sizes)[:-1]) if len(sizes) else []


class ValueStatistics:
    """What calibration saw of one value. `channel_*` are None without channels.

    Attributes:
      min, max: over all finite numbers.
      sample_ranges: the smallest and the largest number of each sample.
      channel_axis, channel_ranges: of each index along an axis.
      mean_abs, mean_square: of each channel.
      gram: X transposed times X over the channels, if it was collected.
    """

    def __init__(self, range, keys, counts, sample_ranges):
        self.min, self.max = (float(x) for x in range)
        self.sample_ranges = sample_ranges
        self.channel_axis = self.channel_ranges = None
        self.mean = self.mean_abs = self.mean_square = self.gram = None
        self._keys, self._counts = keys, counts

    @property
    def count(self):
        """How many numbers there were, NaN and infinities included."""
        return int(self._counts.sum())

    def histogram(self):
        """The lower and upper ends of the buckets that are not empty, by rising
        value, and how many numbers each has."""
        shift = np.uint32(14)
        near = (self._keys << shift).view(np.float32)
        far = ((self._keys + np.uint32(1)) << shift).view(np.float32)
        lower, upper = np.minimum(near, far), np.maximum(near, far)
        finite = np.isfinite(near)
        order = np.argsort(lower[finite], kind="stable")
        return lower[finite][order], upper[finite][order], self._counts[finite][order]

    def __repr__(self):
        return f"ValueStatistics(min={self.min:g}, max={self.max:g}, count={self.count})"


class Statistics:
    """A statistics file: a mapping from names of values to `ValueStatistics`."""

    def __init__(self, path):
        self.path = os.fspath(path)
        with np.load(self.path) as file:
            data = {name: file[name] for name in file.files}
        self.num_samples = int(data["num_samples"])
        self.model_hash = data["model_hash"].tobytes().decode()
        self.range_method = data["range_method"].tobytes().decode() or None
        names = data["names"].tobytes().decode()
        names = names.split("\n") if names else []
        keys = _split(data["histogram_key"], data["histogram_size"])
        counts = _split(data["histogram_count"], data["histogram_size"])
        samples = _split(data["sample_range"], data["sample_size"])
        channels = _split(data["channel_range"], data["channel_size"])
        sizes = data["channel_size"] * data["has_moments"]
        moments = [_split(data[key], sizes) for key in ("sum", "sum_abs", "sum_squares")]
        self._values = {}
        for i, name in enumerate(names):
            value = ValueStatistics(data["range"][i], keys[i], counts[i], samples[i])
            if data["channel_axis"][i] >= 0:
                value.channel_axis = int(data["channel_axis"][i])
                value.channel_ranges = channels[i]
                if data["has_moments"][i]:
                    means = [sums[i] / data["count_per_channel"][i] for sums in moments]
                    value.mean, value.mean_abs, value.mean_square = means
            value.gram = data.get(f"gram_{i}")
            self._values[name] = value

    def choose(self, names, method="minmax", bits=8, signed=False, scheme="asymmetric"):
        """The `Choice` of a range method for each of these values."""
        choices = _quantc.choose_ranges(self.path, list(names), method, bits, signed, scheme)
        return [Choice(*choice) for choice in choices]

    def merge(self, *others, output):
        """Writes the statistics of all data together, and returns them."""
        paths = [self.path] + [getattr(o, "path", o) for o in others]
        _quantc.merge_statistics([os.fspath(p) for p in paths], os.fspath(output))
        return Statistics(output)

    def __getitem__(self, name):
        return self._values[name]

    def __contains__(self, name):
        return name in self._values

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def keys(self):
        return self._values.keys()

    def items(self):
        return self._values.items()

    def __repr__(self):
        return f"Statistics({self.path!r}, {len(self)} values, {self.num_samples} samples)"


def _write_data(data, folder):
    """Gives the path of data that may be in memory."""
    if isinstance(data, (str, os.PathLike)):
        return os.fspath(data)
    if hasattr(data, "keys"):
        path = os.path.join(folder, "data.npz")
        np.savez(path, **{name: np.asarray(array) for name, array in data.items()})
        return path
    for i, sample in enumerate(data):
        np.savez(
            os.path.join(folder, f"{i:08}.npz"),
            **{name: np.asarray(array) for name, array in sample.items()},
        )
    return folder


def calibrate(
    model,
    data,
    output,
    shapes=None,
    values="quantizable",
    method=None,
    gram=False,
    threads=None,
    progress=None,
):
    """Runs data through an ONNX model and writes statistics of its values.

    Args:
      model: a path, the bytes of a model, or an `onnx.ModelProto`.
      data: a .npz file or a folder of them (docs/Calibration.md), a dictionary
        of arrays with samples along their first axes, or an iterable of
        dictionaries, one for each sample.
      output: the statistics file to write.
      shapes: sizes for dynamic dimensions, as in `{"x": (1, 128)}`.
      values: "quantizable" for what ops with an integer form use and make, which
        is what recipes ask for; or "all".
      method: how ranges are chosen where a recipe does not say.
      gram: whether to collect products of channels, too (GPTQ).
      threads: how many samples run at a time (default: one a processor).
      progress: called with a step's name, what is done, and the total (or 0).
    """
    model, shapes = to_model(model), to_shapes(shapes)
    output = os.fspath(output)
    with tempfile.TemporaryDirectory(prefix="quantc-") as folder:
        _quantc.calibrate(
            model,
            _write_data(data, folder),
            output,
            shapes,
            values,
            method or "",
            gram,
            threads or os.cpu_count() or 1,
            progress,
        )
    return Statistics(output)
