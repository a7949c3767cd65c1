#!/usr/bin/env python3
"""Formatting: clang-format on C and C++, whitespace on every text file."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"LICENSE"}


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def whitespace_errors(path):
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return
    name = path.relative_to(ROOT)
    if text and not text.endswith("\n"):
        yield f"{name}: no newline at the end"
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            yield f"{name}:{number}: blanks at the end of the line"
        if "\t" in line:
            yield f"{name}:{number}: a tab"


def main():
    files = tracked_files()
    errors = []
    sources = [f for f in files if f.suffix in (".cpp", ".h", ".c")]
    for source in sources:
        done = subprocess.run(["clang-format-22", "--dry-run", "-Werror", source], capture_output=True, text=True)
        if done.returncode:
            errors.append(f"{source.relative_to(ROOT)}: clang-format-22 -i would change it")
    for path in files:
        if str(path.relative_to(ROOT)) not in GENERATED:
            errors += whitespace_errors(path)
    print(*errors, sep="\n")
    print(f"{len(sources)} sources, {len(files)} files, {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
