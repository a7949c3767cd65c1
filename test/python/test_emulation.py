"""What test/emulation records, replayed on this machine."""

import os
import shutil
import struct
import subprocess
import sys

import pytest

# In a process of its own: the recorder changes quantc for good.
RECORD = """
import pathlib, sys
import numpy as np
from onnx import TensorProto, helper, numpy_helper
import quantc, recorder

recorder.record(pathlib.Path(sys.argv[1]), ["native"])
rng = np.random.default_rng(8)
weights = numpy_helper.from_array(rng.integers(-128, 128, (33, 20)).astype(np.int8), "w")
graph = helper.make_graph(
    [helper.make_node("MatMulInteger", ["x", "w"], ["y"]), helper.make_node("Cast", ["y"], ["z"], to=1)],
    "products",
    [helper.make_tensor_value_info("x", TensorProto.UINT8, ["m", 33])],
    [helper.make_tensor_value_info("y", TensorProto.INT32, ["m", 20]),
     helper.make_tensor_value_info("z", TensorProto.FLOAT, ["m", 20])],
    [weights],
)
model = quantc.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
for rows in (3, 40):
    model.run(rng.integers(0, 256, (rows, 33)).astype(np.uint8))
"""

compiler = shutil.which("cc") or shutil.which("clang-22")


@pytest.mark.skipif(not compiler, reason="needs a C compiler")
def test_replay(source_dir, tmp_path):
    tools, recorded = source_dir / "test" / "emulation", tmp_path / "recorded"
    path = os.pathsep.join([str(tools), *sys.path])
    subprocess.run([sys.executable, "-c", RECORD, recorded], env=os.environ | {"PYTHONPATH": path}, check=True)
    (folder,) = recorded.iterdir()
    (folder / "native.so").rename(folder / "model.so")
    program = tmp_path / "replay"
    subprocess.run(
        [compiler, f"-I{source_dir / 'include'}", "-o", program, tools / "replay.c", "-ldl", "-lm"], check=True
    )

    def replay():
        return subprocess.run([program, folder], capture_output=True, text=True, check=True).stdout.splitlines()

    assert replay()[-1] == "REPLAYED 1 models, 0 crashed; 2 runs: 2 equal, 0 close, 0 different"
    # The last of the file is z, an output in floats: a bit in one, then a sign.
    run = folder / "1.run"
    data = bytearray(run.read_bytes())
    (last,) = struct.unpack_from("<f", data, len(data) - 4)
    assert last == int(last) != 0
    data[-4] ^= 1
    run.write_bytes(data)
    assert replay()[-1].endswith("1 equal, 1 close, 0 different")
    data[-1] ^= 128
    run.write_bytes(data)
    assert replay()[-1].endswith("1 equal, 0 close, 1 different")
    (folder / "model.so").write_bytes(b"")
    assert "1 crashed" in replay()[-1]
