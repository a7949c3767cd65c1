#!/usr/bin/env python3
"""Runs the import fuzzer for a while, starting from small valid models.

The seeds are the models of ONNX's own node tests, and the bad ones of
test_bad_input.py. On a crash the input is left beside the corpus.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from onnx.backend.test.loader import load_model_tests

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import test_bad_input  # noqa: E402

LARGEST_SEED = 4096
NUM_SEEDS = 400


def write_seeds(folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    cases = [(case.name, case.model.SerializeToString()) for case in load_model_tests(kind="node") if case.model]
    cases = [(name, data) for name, data in cases if len(data) <= LARGEST_SEED]
    for name, data in cases[:: max(1, len(cases) // NUM_SEEDS)]:
        (folder / name).write_bytes(data)
    for name, (make, _) in test_bad_input.MODELS.items():
        data = make().SerializeToString()
        if len(data) <= LARGEST_SEED:
            (folder / f"bad-{name}").write_bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fuzzer")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, required=True)
    args = parser.parse_args()
    if not os.path.exists(args.fuzzer):
        sys.exit("build it first: ninja -C build quantc-fuzz-import")
    write_seeds(args.corpus)
    command = [args.fuzzer, args.corpus, f"-max_total_time={args.seconds}", "-timeout=20", "-rss_limit_mb=4096"]
    command += [f"-artifact_prefix={args.corpus.parent}/", "-max_len=8192", "-print_final_stats=1"]
    sys.exit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
