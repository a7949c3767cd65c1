"""A pytest plugin that records what the Python tests compile and run, for
processors that this machine is not.

    PYTHONPATH=test/emulation pytest -p recorder --record=DIR \
        --record-target=x86-64-v4 --record-target=amx test/python/test_integer_products.py

Each model is compiled once more for each target. DIR/KEY then holds a library
for each of them, named after it, and a file for each run: its inputs, and what
the library for this machine made of them. `replay.c` reads these.
"""

import hashlib
import os
import pathlib
import struct

import numpy as np

import quantc

MAX_RUNS = 6  # of a model
MAX_BYTES = 8 << 20  # of a run


def file_name(target):
    return target.replace(",", "").replace("/", "_") + ".so"


def write_run(path, name, before, after, outputs):
    """`after` are the inputs once more: a run may have written to them."""

    def data(array):
        return struct.pack("<Q", array.nbytes) + array.tobytes()

    def tensor(array):
        return struct.pack(f"<I{array.ndim}q", array.ndim, *array.shape) + data(array)

    parts = [b"QRUN", struct.pack("<I", len(name)), name, struct.pack("<II", len(before), len(outputs))]
    for old, new in zip(before, after):
        is_same = old.tobytes() == new.tobytes()
        parts += [tensor(old), data(np.empty(0, np.uint8) if is_same else new)]
    parts += map(tensor, outputs)
    path.write_bytes(b"".join(parts))


class Library:
    """A loaded library that writes down its runs."""

    def __init__(self, library, folder):
        self._library = library
        self._folder = folder

    def __getattr__(self, name):
        return getattr(self._library, name)

    def run(self, arrays):
        known = all(isinstance(a, np.ndarray) for a in arrays)
        before = [np.array(a, order="C") for a in arrays] if known else []
        outputs = self._library.run(arrays)
        number = len(list(self._folder.glob("*.run")))
        size = sum(a.nbytes for a in [*before, *map(np.asarray, outputs)])
        if known and number < MAX_RUNS and size <= MAX_BYTES:
            name = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0].encode()
            write_run(self._folder / f"{number}.run", name, before, [np.array(a, order="C") for a in arrays],
                      [np.array(a, order="C") for a in outputs])
        return outputs


def content(model):
    if hasattr(model, "SerializeToString"):
        return model.SerializeToString()
    return bytes(model) if isinstance(model, (bytes, bytearray, memoryview)) else pathlib.Path(model).read_bytes()


def record(root, targets):
    """Compiles for `targets` too, from now on."""
    run_driver, load, folders = quantc._run_driver, quantc.load, {}

    def run_driver_for_all(model, output, shapes, target, emit, quantize, calibration, *rest, **options):
        if hasattr(calibration, "__next__"):
            calibration = list(calibration)
        run_driver(model, output, shapes, target, emit, quantize, calibration, *rest, **options)
        if target != "native" or emit != "lib":
            return
        key = hashlib.sha1(content(model))
        key.update(repr([shapes, quantc._to_text(quantize), [str(r) for r in rest], options]).encode())
        folder = root / key.hexdigest()[:12]
        folders[output] = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in targets:
            path = folder / file_name(name)
            if not path.exists():
                run_driver(model, str(path), shapes, name, emit, quantize, calibration, *rest, **options)

    def load_recorded(path):
        model = load(path)
        if os.fspath(path) in folders:
            model._library = Library(model._library, folders.pop(os.fspath(path)))
        return model

    quantc._run_driver, quantc.load = run_driver_for_all, load_recorded


def pytest_addoption(parser):
    parser.addoption("--record", help="the folder to write to")
    parser.addoption("--record-target", action="append", default=[], help="a target of quantc compile")


def pytest_configure(config):
    if config.getoption("--record"):
        record(pathlib.Path(config.getoption("--record")), config.getoption("--record-target"))
