"""Compiles ONNX models to native libraries, and runs these.

>>> model = quantc.compile("model.onnx")
>>> outputs = model.run({"x": array})
"""

import os
import shutil
import tempfile

import numpy as np

from . import _quantc
from ._quantc import CompileError, RunError, Tensor, __version__
from ._arguments import to_model as _to_model
from ._arguments import to_shapes as _to_shapes
from ._profile import Profile
from .calibration import Statistics, _write_data, calibrate, choose_range
from .recipe import Activations, Override, Recipe, Transformation, Weights
from .recipe import to_text as _to_text
from .tuning import KernelTuning, Tuning, tune, tune_kernels
from .weights import quantize_matrix

__all__ = [
    "Activations",
    "CompileError",
    "KernelTuning",
    "Model",
    "Override",
    "Profile",
    "Recipe",
    "RunError",
    "Statistics",
    "Tensor",
    "Transformation",
    "Tuning",
    "Weights",
    "calibrate",
    "choose_range",
    "compile",
    "export",
    "generate",
    "load",
    "quantize_matrix",
    "tune",
    "tune_kernels",
]

# Types that numpy gets from ml_dtypes, and what they are in memory. Types below
# eight bits take a byte for each element.
_STORAGE = {
    "bfloat16": np.uint16,
    "float8_e4m3fn": np.uint8,
    "float8_e4m3fnuz": np.uint8,
    "float8_e5m2": np.uint8,
    "float8_e5m2fnuz": np.uint8,
    "float8_e8m0fnu": np.uint8,
    "float4_e2m1fn": np.uint8,
    "int4": np.int8,
    "uint4": np.uint8,
    "int2": np.int8,
    "uint2": np.uint8,
}


def _to_storage(array, dtype):
    """Makes an array's memory what the library takes, without a copy if it can."""
    if not isinstance(array, np.ndarray):
        if hasattr(array, "__dlpack__"):
            return array
        array = np.asarray(array)
    name = array.dtype.name
    if name in _STORAGE:
        if name != dtype:
            raise RunError(f"expected elements of type {dtype}, got {name}")
        storage = np.dtype(_STORAGE[name])
        if storage == np.int8 and array.dtype.itemsize == 1:
            # ml_dtypes leaves the upper bits of small signed integers open.
            return array.astype(np.int8)
        if name.startswith(("uint", "float4")):
            return array.view(np.uint8) & (0x3 if name == "uint2" else 0xF)
        return array.view(storage)
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array


def _is_string(info):
    """Strings are rows of bytes, in a last dimension that has this name."""
    last = info.shape[-1] if info.shape else None
    return info.dtype == "uint8" and isinstance(last, str) and last.startswith("utf8:")


def _encode(array):
    array = np.asarray(array, dtype=object)
    texts = [str(text).encode() for text in array.reshape(-1)]
    if any(b"\0" in text for text in texts):
        raise RunError("strings must not contain zero bytes")
    width = max([1, *map(len, texts)])
    rows = np.zeros((len(texts), width), np.uint8)
    for row, text in zip(rows, texts):
        row[: len(text)] = np.frombuffer(text, np.uint8)
    return rows.reshape(*array.shape, width)


def _decode(array):
    rows = np.ascontiguousarray(array).reshape(-1, array.shape[-1])
    texts = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        texts[i] = row.tobytes().rstrip(b"\0").decode()
    return texts.reshape(array.shape[:-1])


def _from_storage(array, dtype):
    if dtype not in _STORAGE:
        return array
    import ml_dtypes

    wanted = np.dtype(getattr(ml_dtypes, dtype))
    if dtype in ("int4", "uint4", "int2", "uint2"):
        return array.astype(wanted)
    return array.view(wanted)


class Model:
    """A compiled model. Any number of threads may run it at a time."""

    def __init__(self, library, path):
        self._library = library
        self._inputs = library.inputs
        self._outputs = library.outputs
        self.path = path

    @property
    def inputs(self):
        """The inputs: `name`, `dtype` and `shape`, where a dimension is a number,
        a symbolic name, or None."""
        return self._inputs

    @property
    def outputs(self):
        """The outputs, described like the inputs."""
        return self._outputs

    @property
    def name(self):
        return self._library.name

    @property
    def features(self):
        """The CPU features that the library needs."""
        return [f for f in self._library.features.split(",") if f]

    @property
    def weight_bytes(self):
        """Bytes of constants, as they are stored."""
        return self._library.weight_bytes

    @property
    def scratch_bytes(self):
        """Bytes of memory that one call needs; 0 if they depend on its sizes."""
        return self._library.scratch_bytes

    def set_num_threads(self, count):
        """How many threads later calls from this thread use (0: all processors)."""
        self._library.set_num_threads(count)

    def run(self, inputs=(), *more):
        """Runs the model on a dictionary by name, a sequence, or arrays as
        arguments, and returns a list of numpy arrays in the order of `outputs`.

        An input is a numpy array or anything else with `__dlpack__`. Neither
        inputs nor outputs are copied, but strings: they are arrays of Python
        strings here, and bytes in the library.
        """
        arrays = self._to_arrays(inputs, more)
        try:
            results = self._library.run(arrays)
        except TypeError as error:
            kinds = ", ".join(
                f"'{i.name}': {getattr(a, 'dtype', type(a).__name__)}"
                for a, i in zip(arrays, self._inputs)
            )
            raise RunError(f"inputs must be tensors in memory, got {kinds}") from error
        return [
            _decode(a) if _is_string(o) else _from_storage(a, o.dtype)
            for a, o in zip(results, self._outputs)
        ]

    def _to_arrays(self, inputs, more=()):
        """What `run` takes, as arrays in the order of `inputs`."""
        if more or hasattr(inputs, "__dlpack__") or np.isscalar(inputs):
            inputs = (inputs, *more)
        if hasattr(inputs, "keys"):
            names = [i.name for i in self._inputs]
            unknown = [name for name in inputs if name not in names]
            missing = [name for name in names if name not in inputs]
            if unknown or missing:
                raise RunError(
                    "; ".join(
                        [f"the model has no input '{n}'" for n in unknown]
                        + [f"input '{n}' is missing" for n in missing]
                    )
                    + f" (inputs: {', '.join(names)})"
                )
            inputs = [inputs[name] for name in names]
        if len(inputs) != len(self._inputs):
            raise RunError(f"expected {len(self._inputs)} inputs, got {len(inputs)}")
        arrays = []
        for given, info in zip(inputs, self._inputs):
            try:
                arrays.append(
                    _encode(given) if _is_string(info) else _to_storage(given, info.dtype)
                )
            except RunError as error:
                raise RunError(f"input '{info.name}': {error}") from None
        return arrays

    def profile(self, inputs=(), *more, runs=20, warmup=3, threads=0):
        """Where the time of a run goes, kernel by kernel, beside what this machine
        could do: a `Profile`. The library must have been compiled with `profile`."""
        arrays = self._to_arrays(inputs, more)
        return Profile(self._library.profile(arrays, runs, warmup, threads))

    def __repr__(self):
        return f"Model({self.name or self.path}, inputs={self.inputs}, outputs={self.outputs})"


def load(path):
    """Opens a library that quantc compiled."""
    path = os.fspath(path)
    return Model(_quantc.load(path), path)


def _run_driver(
    model, output, shapes, target, emit, quantize, calibration, stats, profile=False, kv_cache=None,
    kv_cache_in_place=False, kernels=None, float_products="f32",
):
    model, shapes = _to_model(model), _to_shapes(shapes)
    stats = os.fspath(getattr(stats, "path", stats) or "")
    with tempfile.TemporaryDirectory(prefix="quantc-") as folder:
        data = "" if calibration is None else _write_data(calibration, folder)
        _quantc.compile(
            model,
            output,
            shapes,
            target,
            emit,
            "quantc_model",
            _to_text(quantize),
            data,
            stats,
            profile,
            kv_cache or "",
            kv_cache_in_place,
            os.fspath(kernels or ""),
            float_products,
        )


def compile(
    model,
    shapes=None,
    target="native",
    output=None,
    quantize=None,
    calibration=None,
    stats=None,
    profile=False,
    kv_cache=None,
    kv_cache_in_place=False,
    kernels=None,
    float_products="f32",
):
    """Compiles an ONNX model and loads the result.

    Args:
      model: a path, the bytes of a model, or an `onnx.ModelProto`.
      shapes: sizes for dynamic dimensions, as in `{"x": (1, 128)}`; -1 or None
        leaves a dimension dynamic.
      target: the machine to compile for: `native`, `x86-64-v3`, `multi`, ...
      output: where to keep the library; without it, it goes with the model.
      quantize: a `Recipe`, a recipe's name such as "w8a8", or a YAML file.
      calibration: data for recipes with static activations: as `calibrate`
        takes them.
      stats: in place of data, what `calibrate` gave or wrote.
      profile: whether the library times its kernels, for `Model.profile`.
      kv_cache: how a decoder stores its keys and values: "int8", "int4" or "fp8".
      kv_cache_in_place: whether they grow in buffers that the caller gives, without copies.
      kernels: a file with blocks for products, as `tune_kernels` writes it.
      float_products: "bf16" stores the weights of float products so, and
        multiplies so where the target can.
    """
    folder = None
    if output is None:
        folder = tempfile.mkdtemp(prefix="quantc-")
        output = os.path.join(folder, "model.so")
    try:
        path = os.fspath(output)
        _run_driver(
            model, path, shapes, target, "lib", quantize, calibration, stats, profile, kv_cache, kv_cache_in_place,
            kernels, float_products,
        )
        result = load(path)
    finally:
        # A loaded library needs its file no longer.
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    return result


def export(
    model,
    output,
    quantize=None,
    calibration=None,
    stats=None,
    shapes=None,
    standard_ops=False,
    integer_ops=False,
    target="native",
    qdq=False,
):
    """Writes a quantized model as ONNX.

    The arguments are those of `compile`; without a recipe, the optimized model
    is written. Products with weights in groups are com.microsoft's MatMulNBits
    and MatMulBnb4, unless only `standard_ops` are wanted.

    It computes with integers where the library does: by QuantizeLinear and
    DequantizeLinear around ops of which ONNX Runtime makes integer ones, and by
    MatMulInteger and ConvInteger elsewhere. With `qdq` it is QuantizeLinear and
    DequantizeLinear everywhere, with `integer_ops` integer ops.
    """
    if qdq and integer_ops:
        raise ValueError("qdq and integer_ops exclude each other")
    emit = "onnx" + "-integer" * integer_ops + "-qdq" * qdq + "-standard" * standard_ops
    _run_driver(
        model, os.fspath(output), shapes, target, emit, quantize, calibration, stats
    )


def generate(model, tokenizer, prompt="", **options):
    """Continues a prompt, piece by piece: see `quantc.generation.generate`."""
    from . import generation

    return generation.generate(model, tokenizer, prompt, **options)
