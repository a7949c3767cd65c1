"""What methods lose in each matrix of a language model, on tokens that they have not seen.

The error of a matrix is that of its products: tr(Eᵀ·G·E) with G = XᵀX of the inputs of test tokens; methods get G of
calibration tokens. Prints the error as parts of round-to-nearest's: the median layer, the best and the worst.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from lm_tokens import load_tokens
from onnx import numpy_helper
from timing import ROOT

import quantc

RECIPES = {"nearest": "{}-asym-g{}", "gptq": "{}-gptq-asym-g{}", "hqq": "{}-hqq-g{}", "clip": "{}-clip-asym-g{}"}
# Matrices are scaled first; the recipe is the one by which they are then rounded.
SCALED = {"awq": "{}-asym-g{}", "awq, clip": "{}-clip-asym-g{}"}


def find_products(model):
    """(name of the input, weights) of products with constants."""
    constants = {t.name: t for t in model.graph.initializer}
    return {
        node.input[1]: (node.input[0], numpy_helper.to_array(constants[node.input[1]]))
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in constants
    }


def collect_grams(model, names, tokens, count):
    """XᵀX of each named value over windows of 256 tokens."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session = ort.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    grams = dict.fromkeys(names, 0.0)
    for i in range(count):
        ids = tokens[None, i * 256 : (i + 1) * 256].astype(np.int64)
        for name, x in zip(names, session.run(names, {"input_ids": ids})):
            x = x.reshape(-1, x.shape[-1]).astype(np.float64)
            grams[name] = grams[name] + x.T @ x
    return grams


def get_error(weights, values, gram):
    error = values.astype(np.float64) - weights
    return float(np.einsum("ij,ij->", error, gram @ error))


def find_scales(path, matrices, form, group, calibration):
    """{matrix: (factors of rows, factors of columns)} that AWQ finds, but for a constant that goes from one to the other."""
    with tempfile.TemporaryDirectory() as folder:
        scaled = Path(folder) / "scaled.onnx"
        recipe = quantc.Recipe(base=f"{form}-awq-asym-g{group}", skip=["*"])
        quantc.export(str(path), str(scaled), quantize=recipe, calibration=calibration)
        found = [w for _, w in find_products(onnx.load(scaled)).values()]
    scales = {}
    for (matrix, w), changed in zip(matrices.items(), found, strict=True):
        ratio = changed.astype(np.float64) / w
        rows = np.nanmedian(ratio / np.nanmedian(ratio, 0), 1)
        scales[matrix] = rows, np.nanmedian(ratio / rows[:, None], 0)
    return scales


def measure_scaled(weights, recipe, gram, tokens, scales):
    """What the recipe makes of the scaled matrix, unscaled."""
    rows, columns = scales
    factors = np.outer(rows, columns)
    changed = quantc.quantize_matrix(weights * factors, recipe, gram / np.outer(rows, rows), tokens)
    return changed.values / factors


def measure(path, form, group, windows, methods=tuple(RECIPES)):
    """{method: {matrix: error on test tokens}}"""
    model = onnx.load(path)
    products = find_products(model)
    names = sorted({name for name, _ in products.values()})
    test, calibration = load_tokens(Path(path))
    seen, unseen = (collect_grams(model, names, tokens, windows) for tokens in (calibration, test))
    errors = {
        method: {
            matrix: get_error(
                weights,
                quantc.quantize_matrix(weights, RECIPES[method].format(form, group), seen[name], 256 * windows).values,
                unseen[name],
            )
            for matrix, (name, weights) in products.items()
        }
        for method in methods
    }
    ids = calibration[: windows * 256].reshape(windows, 1, 256).astype(np.int64)
    scales = find_scales(path, {m: w for m, (_, w) in products.items()}, form, group, {"input_ids": ids})
    for method, recipe in SCALED.items():
        errors[method] = {
            matrix: get_error(
                weights,
                measure_scaled(weights, recipe.format(form, group), seen[name], 256 * windows, scales[matrix]),
                unseen[name],
            )
            for matrix, (name, weights) in products.items()
        }
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT.parent / "shared" / "lm" / "model.onnx")
    parser.add_argument("--windows", type=int, default=32, help="of 256 tokens, to calibrate and to test with")
    parser.add_argument("--group", type=int, default=64)
    parser.add_argument("--forms", nargs="*", default=["w4", "w3", "w2"])
    args = parser.parse_args()
    print("| weights | method | median | best | worst | of |", "| --- | --- | ---: | ---: | ---: | --- |", sep="\n")
    for form in args.forms:
        errors = measure(args.model, form, args.group, args.windows)
        for method in [*RECIPES, *SCALED][1:]:
            ratios = {matrix: errors[method][matrix] / e for matrix, e in errors["nearest"].items()}
            worst = max(ratios, key=ratios.get)
            print(
                f"| {form}, groups of {args.group} | {method} | {np.median(list(ratios.values())):.2f} "
                f"| {min(ratios.values()):.2f} | {ratios[worst]:.2f} | {worst} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
