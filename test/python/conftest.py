"""What all Python tests share: where the build is, and how to run its tools."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("QUANTC_BUILD_DIR", ROOT / "build"))
# The package as the build tree holds it, for environments without an installed
# one; the build's own environment finds the same folder.
for place in (BUILD / "python", Path(__file__).parent):
    if place.is_dir() and str(place) not in sys.path:
        sys.path.insert(0, str(place))


class Tool:
    """A program of build/bin: call it with arguments, get a finished process."""

    def __init__(self, name):
        self.path = BUILD / "bin" / name

    def __call__(self, *args, timeout=300, **kwargs):
        return subprocess.run(
            [str(self.path), *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            **kwargs,
        )

    def ok(self, *args, **kwargs):
        """Runs it and fails the test with its output unless it exits with 0."""
        done = self(*args, **kwargs)
        assert done.returncode == 0, f"{self.path.name} {args}:\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def build_dir():
    return BUILD


@pytest.fixture(scope="session")
def source_dir():
    return ROOT


@pytest.fixture(scope="session")
def quant_opt():
    return Tool("quant-opt")


@pytest.fixture(scope="session")
def quantc_cli():
    return Tool("quantc")


@pytest.fixture
def rng(request):
    """Random numbers that depend on the test's name alone."""
    return np.random.default_rng(list(request.node.nodeid.encode()))
