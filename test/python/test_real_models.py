"""Every real model compiles to one library that agrees with ONNX Runtime.

Models with dynamic dimensions run at three sizes through that one library. What
each model is fed, and how outputs are compared, stands in real_models.py.
"""

import os
import sys
from pathlib import Path

import pytest

from conftest import BUILD, ROOT
from real_models import MODELS, check, compile_model

sys.path.insert(0, str(ROOT / "test" / "models"))
import fetch  # noqa: E402

MODELS_DIR = Path(os.environ.get("QUANTC_MODELS_DIR", BUILD / "models"))
LM_DIR = Path(os.environ.get("QUANTC_LM_DIR", ROOT.parent / "shared" / "lm"))

# Models large enough for the bound on the compiler's memory to mean something.
MEMORY_BOUND = {"minilm-l3", "smollm2-135m", "smollm2-135m-kv"}

# "name: reason" for each model that is known not to work yet. A model may only
# leave this list. "name [flag]: reason" is for machines whose CPU has the flag,
# and says that the model was not tried there.
KNOWN_FAILURES = dict(
    line.split(": ", 1)
    for line in Path(__file__).with_name("real_models_known_failures.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
CPU_FLAGS = set(Path("/proc/cpuinfo").read_text().split())

pytestmark = pytest.mark.models


def cases():
    for name in MODELS:
        marks = []
        for entry, reason in KNOWN_FAILURES.items():
            known, _, flag = entry.partition(" [")
            if known == name and (not flag or flag.rstrip("]") in CPU_FLAGS):
                marks.append(pytest.mark.xfail(reason=reason, strict=not flag))
        yield pytest.param(name, marks=marks)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    return tmp_path_factory.mktemp("libraries")


def locate(model):
    if model.folder == "lm":
        path = model.path({"lm": LM_DIR})
        if not path.exists() and not os.environ.get("CI"):
            pytest.skip(f"{path.name} of the shared language model is not on this machine")
        return path
    fetch.fetch(MODELS_DIR, [model.name], log=lambda line: None)
    return model.path({"models": MODELS_DIR})


@pytest.mark.parametrize("name", list(cases()))
def test_agrees_with_onnx_runtime(name, libraries):
    model = MODELS[name]
    path = locate(model)
    library = libraries / f"{name}.so"
    _, megabytes = compile_model(path, library, build=BUILD)
    wrong, runs = [], set()
    for size, output, difference in check(model, path, library):
        runs.add(size)
        if not difference.ok:
            wrong.append(f"{size} {output}: {difference.reason}")
    library.unlink()  # a language model's is half a gigabyte
    assert not wrong, "\n".join(wrong)
    assert len(runs) == len(model.sizes) * model.repeats
    if name in MEMORY_BOUND:
        size = path.stat().st_size / 2**20
        assert megabytes < 2 * size + 1024, f"compiling took {megabytes:.0f} MB for a model of {size:.0f} MB"


@pytest.mark.parametrize("name", ["ppocr-v4-rec", "silero-vad"])
def test_compiles_to_the_same_each_time(name, quantc_cli):
    """Addresses differ from process to process, and must not decide anything."""
    path = locate(MODELS[name])
    codes = {quantc_cli.ok("compile", path, "--emit=linalg") for _ in range(4)}
    assert len(codes) == 1
