"""ONNX's own backend test suite, against the list of known failures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KNOWN = Path(__file__).with_name("backend_known_failures.txt")


def run_suite(build_dir, *args):
    environment = dict(os.environ, PYTHONPATH=str(build_dir / "python"))
    return subprocess.run(
        [sys.executable, "-m", "quantc.backend_suite", f"--known={KNOWN}", *args],
        capture_output=True,
        text=True,
        env=environment,
    )


def test_suite_reports(build_dir):
    done = run_suite(build_dir, "--filter=^test_(add|relu)_cpu$")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "node" in done.stdout


@pytest.mark.models
def test_all_cases(build_dir):
    done = run_suite(build_dir)
    assert done.returncode == 0, done.stdout + done.stderr
