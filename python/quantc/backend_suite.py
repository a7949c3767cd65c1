"""Runs ONNX's own backend test suite: `python -m quantc.backend_suite`.

Prints how many cases pass, and each one that fails with the first line of its
error. A list of known failures makes it a test: it fails when another case does,
or when one of the list passes and so has to leave it.
"""

import argparse
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import sys
import tempfile
import time
import unittest
import warnings
from pathlib import Path

# The categories as the suite's runner calls them, and as users know them.
CATEGORIES = {
    "NodeModel": "node",
    "SimpleModel": "simple",
    "PyTorchConvertedModel": "pytorch-converted",
    "PyTorchOperatorModel": "pytorch-operator",
    "RealModel": "light",
}


def load_cases(pattern=None):
    """All cases for the CPU: a dictionary from names to (category, function)."""
    from onnx.backend.test.runner import Runner

    from quantc.backend import QuantcBackend

    runner = Runner(QuantcBackend)
    cases = {}
    for category, items in runner._test_items.items():
        for name, item in items.items():
            if name.endswith("_cpu") and (not pattern or re.search(pattern, name)):
                name = name[: -len("_cpu")]
                cases[name] = (CATEGORIES.get(category, category), item.func)
    return cases


def _run_case(function):
    """None if the case passes, else why it does not."""
    try:
        function(unittest.TestCase())
        return None
    except unittest.SkipTest as skip:
        return f"skipped: {skip}"
    except BaseException as error:  # a case may fail in any way
        return _summary(error)


def _summary(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, AssertionError):
        # numpy puts the numbers below a headline.
        wanted = ("Mismatch", "Max ", "nan loc", "dtype", "shape", "ACTUAL", "DESIRED")
        picked = [line for line in lines if line.startswith(wanted)]
        return "wrong result: " + "; ".join((picked or lines or ["?"])[:3])
    text = " ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1])
    return f"{type(error).__name__}: {text}"


def _work(connection, cases):
    warnings.simplefilter("ignore")
    # What the compiler prints belongs to its errors, which arrive as exceptions.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    while (name := connection.recv()) is not None:
        start = time.monotonic()
        reason = _run_case(cases[name][1])
        connection.send((reason, time.monotonic() - start))


class _Worker:
    """A process that runs cases, one at a time, and may die doing so."""

    def __init__(self, context, cases):
        self.context, self.cases = context, cases
        self.name = None
        self.start()

    def start(self):
        self.connection, other = self.context.Pipe()
        self.process = self.context.Process(
            target=_work, args=(other, self.cases), daemon=True
        )
        self.process.start()
        other.close()

    def give(self, name, timeout):
        self.name, self.deadline = name, time.monotonic() + timeout
        self.connection.send(name)

    def take(self):
        """The result of the case that is done."""
        name, self.name = self.name, None
        try:
            return name, *self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            code = self.process.exitcode
            self.start()
            return name, f"crashed (exit code {code})", 0.0

    def kill(self, timeout):
        name, self.name = self.name, None
        self.process.kill()
        self.process.join()
        self.start()
        return name, f"did not end within {timeout} s", float(timeout)

    def stop(self):
        try:
            self.connection.send(None)
        except OSError:
            pass
        self.process.join(5)


def run_cases(cases, jobs=2, timeout=120, progress=None):
    """Yields (name, reason or None, seconds) for each case."""
    # Forked, so that only this process makes all the cases' data.
    context = multiprocessing.get_context("fork")
    waiting = sorted(cases, reverse=True)
    workers = [_Worker(context, cases) for _ in range(min(jobs, len(waiting)))]
    while True:
        for worker in workers:
            if worker.name is None and waiting:
                worker.give(waiting.pop(), timeout)
        busy = [worker for worker in workers if worker.name is not None]
        if not busy:
            break
        ready = multiprocessing.connection.wait(
            [worker.connection for worker in busy], timeout=1
        )
        for worker in busy:
            if worker.connection in ready:
                yield worker.take()
            elif time.monotonic() > worker.deadline:
                yield worker.kill(timeout)
    for worker in workers:
        worker.stop()


def read_known_failures(path):
    """Names from a file with one name a line, `#` starts a comment."""
    if not path or not Path(path).exists():
        return set()
    lines = (line.split("#")[0].strip() for line in Path(path).read_text().splitlines())
    return {line for line in lines if line}


def find_known_failures():
    """The list beside the test, if this package runs from the source tree."""
    root = Path(__file__).resolve().parents[2]
    path = root / "test" / "python" / "backend_known_failures.txt"
    return path if path.exists() else None


def _print_results(cases, results, show_times):
    failures = {name: reason for name, (reason, _) in results.items() if reason}
    for name, reason in sorted(failures.items()):
        print(f"FAIL {cases[name][0]} {name}: {reason}")
    if show_times:
        slowest = sorted(results, key=lambda name: -results[name][1])[:20]
        for name in slowest:
            print(f"{results[name][1]:8.2f} s  {name}")
    totals = {}
    for name, (reason, _) in results.items():
        passed, total = totals.get(cases[name][0], (0, 0))
        totals[cases[name][0]] = (passed + (reason is None), total + 1)
    print(f"{'category':20} {'passed':>7} {'of':>6}")
    for category, (passed, total) in sorted(totals.items()):
        print(f"{category:20} {passed:7} {total:6}")
    return set(failures), totals


def main(argv=None):
    parser = argparse.ArgumentParser(prog="quantc.backend_suite", description=__doc__)
    parser.add_argument("--filter", help="only cases whose name matches this pattern")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=120, help="seconds for a case")
    parser.add_argument("--known", help="the list of known failures")
    parser.add_argument("--list-known", action="store_true", help="print that list")
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--times", action="store_true", help="show the slowest cases")
    options = parser.parse_args(argv)

    known = read_known_failures(options.known or find_known_failures())
    if options.list_known:
        print("\n".join(sorted(known)))
        return 0

    warnings.simplefilter("ignore")
    # Cases of many small operators: threads would only get in each other's way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="quantc-suite-") as folder:
        os.environ["ONNX_MODELS"] = folder  # where the runner unpacks models
        cases = load_cases(options.filter)
        results = {}
        terminal = sys.stderr.isatty()
        for name, reason, seconds in run_cases(cases, options.jobs, options.timeout):
            results[name] = (reason, seconds)
            if terminal:
                print(
                    f"\r\033[K{len(results)}/{len(cases)} {name}",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )
    if terminal:
        print("\r\033[K", end="", file=sys.stderr)

    failed, totals = _print_results(cases, results, options.times)
    if options.json:
        Path(options.json).write_text(
            json.dumps(
                {
                    "totals": totals,
                    "cases": {
                        name: {
                            "category": cases[name][0],
                            "error": reason,
                            "seconds": round(seconds, 3),
                        }
                        for name, (reason, seconds) in sorted(results.items())
                    },
                },
                indent=1,
            )
        )
    status = 0
    if new := sorted(failed - known):
        print(f"{len(new)} cases fail that are not in the list of known failures")
        status = 1
    if fixed := sorted((known & set(results)) - failed):
        print("these pass and must leave the list of known failures:", *fixed)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
