"""Messages of the rules for ai.onnx.ml's ops and for n-grams."""

import pytest
from import_errors import check_refused
from onnx import TensorProto, helper

import quantc

X, CUBE = "float[2, 3] x", "float[2, 3, 4] x"
SCORES = "int64 y, float z"
LINEAR = "coefficients = [1.0, 2.0, 3.0]"
SVM = "rho = [1.0], n_supports = 1, support_vectors = [1.0, 2.0, 3.0], coefficients = [1.0]"
SVC = "rho = [1.0], classlabels_ints = [0, 1], support_vectors = [1.0, 2.0, 3.0]"

# The op's input, the op, what the error must say.
FEATURES = [
    (X, 'Normalizer <norm = "L3"> (x)', "norm 'L3' is unknown"),
    (CUBE, 'Normalizer <norm = "L2"> (x)', "its input must be (rows, features)"),
    (
        CUBE,
        "Imputer <imputed_value_floats = [1.0, 2.0, 3.0]> (x)",
        "it has 3 values to impute, which takes an input of rows and columns",
    ),
    (
        X,
        "Imputer <imputed_value_floats = [1.0, 2.0]> (x)",
        "it has 2 values to impute, which are not one for each column",
    ),
    (X, "Imputer <imputed_value_int64s = [1]> (x)", "it has no values of the input's type to impute"),
    ("float x", "Imputer <imputed_value_floats = [1.0]> (x)", "its input is no tensor of columns, but a scalar"),
    (X, 'OneHotEncoder <cats_strings = ["a"]> (x)', "it has no categories of the input's type"),
    (X, "FeatureVectorizer <inputdimensions = [3, 3]> (x)", "inputdimensions needs a number for each input"),
    ("float[3] x", "FeatureVectorizer <inputdimensions = [3]> (x)", "its inputs must be (rows, features)"),
    ("float x, int64[1] i", "ArrayFeatureExtractor (x, i)", "its input must have a dimension"),
    (X, "LinearRegressor <targets = 2, coefficients = [1.0, 2.0, 3.0]> (x)", "its coefficients have no 2 rows"),
    (CUBE, "LinearRegressor <coefficients = [1.0, 2.0, 3.0]> (x)", "its input must be (rows, features)"),
    (X, "SVMRegressor <coefficients = [1.0]> (x)", "it needs rho"),
    (X, "SVMRegressor <rho = [1.0], n_supports = -1> (x)", "n_supports is negative"),
    (
        X,
        f"SVMRegressor <{SVM.replace('[1.0]', '[1.0, 2.0]')}> (x)",
        "it needs a coefficient for each support vector",
    ),
    (X, f'SVMRegressor <{SVM}, kernel_type = "RBF"> (x)', "kernel_params must be gamma, coef0 and degree"),
    (
        X,
        f'SVMRegressor <{SVM}, kernel_type = "COS", kernel_params = [1.0, 1.0, 1.0]> (x)',
        "kernel_type 'COS' is unknown",
    ),
]

CLASSIFIERS = [
    (f"LinearClassifier <{LINEAR}, classlabels_ints = [0, 1]> (x)", "it needs an intercept for each class"),
    (
        "LinearClassifier <coefficients = [1.0, 2.0], intercepts = [0.0, 1.0], classlabels_ints = [0]> (c)",
        "it needs a label for each class",
    ),
    (
        f"LinearClassifier <{LINEAR}, intercepts = [0.0], classlabels_ints = [0]> (x)",
        "one intercept is for two classes",
    ),
    (
        f'LinearClassifier <{LINEAR}, intercepts = [0.0], classlabels_ints = [0, 1], post_transform = "PROBIT"> (x)',
        "PROBIT of one score for two classes is not supported",
    ),
    (
        f'LinearClassifier <{LINEAR}, intercepts = [0.0], classlabels_ints = [0, 1], post_transform = "MAX"> (x)',
        "post_transform 'MAX' is unknown",
    ),
    ("SVMClassifier <rho = [1.0]> (x)", "it needs labels of classes and rho"),
    (
        f"SVMClassifier <{SVC}, vectors_per_class = [1, 9]> (x)",
        "vectors_per_class counts vectors that are not there",
    ),
    (
        f"SVMClassifier <{SVC}, vectors_per_class = [1, 0], prob_a = [1.0]> (x)",
        "probabilities (prob_a, prob_b) are not supported: export a model without them",
    ),
    (
        f"SVMClassifier <{SVC}, vectors_per_class = [1, 0]> (x)",
        "its classes, support vectors and coefficients do not fit",
    ),
]

GRAMS = [
    ({"pool_strings": ["a"]}, "n-grams of strings are not supported"),
    ({"min_gram_length": 2}, "the lengths of its n-grams do not fit its pool"),
    ({"ngram_indexes": [1 << 24]}, "its ngram_indexes are out of range"),
    ({"ngram_counts": [2]}, "its ngram_counts do not fit its pool"),
    ({"pool_int64s": [4, 5]}, "its ngram_indexes are too few"),
    (
        {"mode": "IDF", "pool_int64s": [4, 5], "ngram_indexes": [0, 1], "weights": [1.0]},
        "its weights are too few",
    ),
    ({"mode": "BM"}, "mode 'BM' is unknown"),
]

# What differs from one comparison of feature 0 that leads to two leaves.
REGRESSOR = [
    ({"n_targets": 0}, "n_targets or aggregate_function is out of range"),
    ({"aggregate_function": "MEAN"}, "n_targets or aggregate_function is out of range"),
    ({"n_targets": 1 << 27}, "134217728 targets for 2 leaves are too many"),
    ({"base_values": [1.0, 2.0]}, "it needs a base value for each target"),
    ({"nodes_values": [0.5]}, "its lists of nodes differ in length"),
    ({"target_weights": [0.5]}, "its lists of nodes differ in length"),
    ({"nodes_modes": ["SPLIT", "LEAF", "LEAF"]}, "the mode 'SPLIT' is unknown"),
    ({"nodes_nodeids": [0, 1, 1]}, "node 1 of tree 0 is there twice"),
    ({"nodes_falsenodeids": [7, 0, 0]}, "node 0 of tree 0 leads nowhere"),
    ({"target_ids": [0, 3]}, "a weight is for a node or target that is not there"),
    ({"nodes_falsenodeids": [0, 0, 0]}, "two branches lead to one node: it is no tree"),
    ({"nodes_featureids": [3, 0, 0]}, "a node compares feature 3, which its input does not have"),
]
CLASSIFIER = [
    ({"base_values": [1.0, 2.0, 3.0]}, "it has more base values than classes"),
    ({"classlabels_int64s": [0, 1, 2], "base_values": [1.0]}, "it needs a base value for each class"),
    (
        {"classlabels_int64s": None, "classlabels_strings": ["a"]},
        "one label that is a string is not supported",
    ),
    (
        {"post_transform": "PROBIT", "class_ids": [1, 0]},
        "PROBIT of one score for two classes is not supported",
    ),
    (
        {"class_ids": [0, 1], "base_values": [1.0, 1.0]},
        "base values, and leaves of which some score two classes, are not supported",
    ),
]
ENSEMBLE = [
    ("n_targets = 1", "n_targets = 0", "n_targets, post_transform or aggregate_function is out of range"),
    ("leaf_targetids = [0, 0]", "leaf_targetids = [0, 1]", "a weight is for a target that is not there"),
    ("nodes_truenodeids = [0]", "nodes_truenodeids = [2]", "node 0 leads nowhere"),
    ("nodes_modes = uint8[1] {0}", "nodes_modes = uint8[1] {7}", "the mode of node 0 is unknown"),
    ("tree_roots = [0]", "tree_roots = [1]", "a tree has no root"),
]


@pytest.mark.parametrize("inputs, node, said", FEATURES)
def test_features(inputs, node, said, tmp_path):
    check_refused(tmp_path, inputs, f"ai.onnx.ml.{node}", said)


@pytest.mark.parametrize("node, said", CLASSIFIERS)
def test_classifier(node, said, tmp_path):
    check_refused(tmp_path, X + ", float[2, 1] c", f"ai.onnx.ml.{node}", said, outputs=SCORES)


def refuse(tmp_path, op, attributes, said, outputs="y", domain="ai.onnx.ml", kind=TensorProto.FLOAT):
    """Of lists of attributes, which the text form would hide."""
    given = {name: value for name, value in attributes.items() if value is not None}
    label = TensorProto.STRING if "classlabels_strings" in given else TensorProto.INT64
    kinds = [label, TensorProto.FLOAT] if len(outputs) == 2 else [TensorProto.FLOAT]
    node = helper.make_node(op, ["x"], list(outputs), name="culprit", domain=domain, **given)
    graph = helper.make_graph(
        [node],
        "refused",
        [helper.make_tensor_value_info("x", kind, [2, 3])],
        [helper.make_tensor_value_info(y, type, None) for y, type in zip(outputs, kinds)],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    with pytest.raises(quantc.CompileError) as error:
        quantc.compile(helper.make_model(graph, opset_imports=opsets, ir_version=10), output=tmp_path / "model.so")
    version = 3 if domain else 21
    assert f"node 'culprit' (op {op}, domain {domain or 'ai.onnx'}, opset {version}): {said}\n" in f"{error.value}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changed, said", GRAMS)
def test_grams(changed, said, tmp_path):
    good = {
        "mode": "TF",
        "min_gram_length": 1,
        "max_gram_length": 1,
        "max_skip_count": 0,
        "ngram_counts": [0],
        "ngram_indexes": [0],
        "pool_int64s": [4],
    }
    refuse(tmp_path, "TfIdfVectorizer", good | changed, said, domain="", kind=TensorProto.INT64)


def tree(scores):
    return {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        f"{scores}_treeids": [0, 0],
        f"{scores}_nodeids": [1, 2],
        f"{scores}_ids": [0, 0],
        f"{scores}_weights": [1.0, 2.0],
    }


@pytest.mark.parametrize("changed, said", REGRESSOR)
def test_tree_regressor(changed, said, tmp_path):
    refuse(tmp_path, "TreeEnsembleRegressor", tree("target") | {"n_targets": 1} | changed, said)


@pytest.mark.parametrize("changed, said", CLASSIFIER)
def test_tree_classifier(changed, said, tmp_path):
    good = tree("class") | {"classlabels_int64s": [0, 1]}
    refuse(tmp_path, "TreeEnsembleClassifier", good | changed, said, outputs="yz")


@pytest.mark.parametrize("good, bad, said", ENSEMBLE)
def test_tree_ensemble(good, bad, said, tmp_path):
    node = (
        "ai.onnx.ml.TreeEnsemble <n_targets = 1, tree_roots = [0], nodes_featureids = [0], "
        "nodes_modes = uint8[1] {0}, nodes_splits = float[1] {0.5}, nodes_truenodeids = [0], "
        "nodes_falsenodeids = [1], nodes_trueleafs = [1], nodes_falseleafs = [1], "
        "leaf_targetids = [0, 0], leaf_weights = float[2] {1, 2}> (x)"
    )
    assert good in node
    check_refused(tmp_path, X, node.replace(good, bad), said)
