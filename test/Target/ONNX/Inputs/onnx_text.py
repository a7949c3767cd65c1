"""Writes the model that a file in ONNX's textual form describes.

usage: onnx_text.py in.txt out.onnx
"""

import sys

import onnx.parser


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        # Lit's own lines are no part of the model.
        text = "".join(line for line in file if not line.startswith("#"))
    model = onnx.parser.parse_model(text)
    with open(target, "wb") as file:
        file.write(model.SerializeToString())


if __name__ == "__main__":
    main()
