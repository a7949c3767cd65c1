"""Writes models whose weight lies in another file, well and badly.

usage: external_data.py folder
"""

import os
import sys

import numpy as np
from onnx import TensorProto, helper

CASES = {
    # location, offset, length
    "good": ("weights.bin", 16, 64),
    "unaligned": ("weights.bin", 3, 64),
    "absolute": ("/etc/passwd", 0, 64),
    "parent": ("../secret.bin", 0, 64),
    "link": ("link.bin", 0, 64),
    "missing": ("nothing.bin", 0, 64),
    "short": ("weights.bin", 0, 8),
    "behind": ("weights.bin", 1 << 40, 64),
    "overflow": ("weights.bin", (1 << 64) - 8, 64),
    "negative": ("weights.bin", -4, 64),
}


def make_model(location, offset, length):
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 4])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (
        ("location", location), ("offset", offset), ("length", length)
    ):
        weight.external_data.add(key=key, value=str(value))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [weight],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )


def main():
    folder = os.path.join(sys.argv[1], "models")
    os.makedirs(folder, exist_ok=True)
    data = np.arange(24, dtype=np.float32).tobytes()
    for path in (
        os.path.join(folder, "weights.bin"),
        os.path.join(sys.argv[1], "secret.bin"),
    ):
        with open(path, "wb") as file:
            file.write(data)
    link = os.path.join(folder, "link.bin")
    if not os.path.islink(link):
        os.symlink(os.path.join("..", "secret.bin"), link)
    for name, case in CASES.items():
        path = os.path.join(folder, name + ".onnx")
        with open(path, "wb") as file:
            file.write(make_model(*case).SerializeToString())


if __name__ == "__main__":
    main()
