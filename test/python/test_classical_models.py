"""ai.onnx.ml's models against ONNX Runtime: trees, linear models and support
vector machines, as exporters of scikit-learn and XGBoost write them."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc

F, I64, S = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
POSTS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


def build(op, x, attributes, outputs, opset=3):
    node = helper.make_node(
        op, ["x"], list(outputs), name="the_node", domain="ai.onnx.ml", **attributes
    )
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    shape = [f"d{i}" if i == 0 and x.ndim > 1 else d for i, d in enumerate(x.shape)]
    graph = helper.make_graph(
        [node],
        "classical",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def compare(op, x, attributes, outputs, opset=3, rtol=1e-5):
    model = build(op, x, attributes, outputs, opset)
    # With more threads, it adds the trees of each up before it adds those sums.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, {"x": x})
    actual = quantc.compile(model).run({"x": x})
    for mine, theirs in zip(actual, expected):
        mine = np.asarray(mine)
        assert mine.shape == theirs.shape
        if theirs.dtype == object:
            assert mine.tolist() == theirs.tolist()
        elif theirs.dtype.kind == "i":
            np.testing.assert_array_equal(mine, theirs)
        else:
            assert mine.dtype == theirs.dtype
            np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=1e-6)
    return expected


def floats(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


# --- trees ------------------------------------------------------------------


def grow(rng, trees, depth, features, targets, modes=("BRANCH_LEQ",), missing=False, score=None):
    """Attributes of random trees. `score` gives the (target, weight) pairs of a
    leaf: by default one for each target."""
    score = score or (lambda tree: [(t, float(rng.uniform(-1, 1))) for t in range(targets)])
    nodes, weights = [], []

    def add(tree, level, count):
        place, number = len(nodes), count[0]
        nodes.append(None)
        count[0] += 1
        if level == 0 or (level < depth and rng.uniform() < 0.2):
            nodes[place] = (tree, number, 0, 0.0, "LEAF", 0, 0, 0)
            weights.extend((tree, number, *pair) for pair in score(tree))
            return number
        value = float(np.float32(rng.choice([-0.5, 0.0, 0.25, rng.standard_normal()])))
        yes, no = (add(tree, level - 1, count) for _ in range(2))
        tracks = int(missing and rng.integers(2))
        mode = str(rng.choice(modes))
        nodes[place] = (tree, number, int(rng.integers(features)), value, mode, yes, no, tracks)
        return number

    for tree in range(trees):
        add(tree, depth, [0])
    names = ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids"]
    columns = [list(column) for column in zip(*nodes)]
    attributes = {f"nodes_{name}": column for name, column in zip(names, columns)}
    if missing:
        attributes["nodes_missing_value_tracks_true"] = columns[-1]
    weights = [list(column) for column in zip(*weights)]
    return attributes, dict(zip(["treeids", "nodeids", "ids", "weights"], weights))


def classifier(grown, labels, **more):
    nodes, weights = grown
    kind = "classlabels_strings" if isinstance(labels[0], str) else "classlabels_int64s"
    return {**nodes, **{f"class_{k}": v for k, v in weights.items()}, kind: labels, **more}


def regressor(grown, targets, **more):
    nodes, weights = grown
    return {**nodes, **{f"target_{k}": v for k, v in weights.items()}, "n_targets": targets, **more}


def points(rng, rows=50, features=6):
    """Points of which many are at the splits of trees."""
    x = floats(rng, rows, features)
    return np.where(rng.uniform(size=x.shape) < 0.2, np.float32(0.25), x)


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize("base", [False, True])
def test_forest_of_many_classes(rng, post, base):
    labels = [7, -3, 12, 5]
    more = {"base_values": [0.1, -0.3, 0.2, 0.0]} if base else {}
    attributes = classifier(grow(rng, 12, 5, 6, 4), labels, post_transform=post, **more)
    compare("TreeEnsembleClassifier", points(rng), attributes, {"y": I64, "z": F})


def test_votes_that_are_equal(rng):
    """Probabilities that are fractions of one: the first of equal sums wins."""
    score = lambda tree: [(c, p) for c, p in enumerate(rng.permutation([0.1, 0.2, 0.3]) / 3)]
    attributes = classifier(grow(rng, 6, 3, 6, 3, score=score), [0, 1, 2])
    _, z = compare("TreeEnsembleClassifier", points(rng, 400), attributes, {"y": I64, "z": F})
    ordered = np.sort(z, axis=1)
    assert (ordered[:, -1] == ordered[:, -2]).any()


def test_boosting_with_a_tree_per_class(rng):
    score = lambda tree: [(tree % 3, float(rng.uniform(-1, 1)))]
    attributes = classifier(
        grow(rng, 9, 4, 6, 3, score=score), ["red", "green", "blue"], post_transform="SOFTMAX"
    )
    compare("TreeEnsembleClassifier", points(rng), attributes, {"y": S, "z": F})


def test_classes_without_scores(rng):
    """A class that no leaf scores does not win over negative scores."""
    score = lambda tree: [(int(rng.integers(3)), -float(rng.uniform(0.1, 1)))]
    attributes = classifier(grow(rng, 3, 4, 6, 4, score=score), [0, 1, 2, 3])
    compare("TreeEnsembleClassifier", points(rng), attributes, {"y": I64, "z": F})


@pytest.mark.parametrize("post", ["NONE", "LOGISTIC"])
@pytest.mark.parametrize("base", [0, 1, 2])
@pytest.mark.parametrize("side", [0, 1, None])
@pytest.mark.parametrize("positive", [False, True])
def test_two_classes(rng, post, base, side, positive):
    """Leaves score one of two classes, or both."""
    low = 0 if positive else -1
    score = lambda tree: [
        (c, float(rng.uniform(low, 1)) / 3) for c in (range(2) if side is None else [side])
    ]
    more = {"base_values": [0.15, -0.2][:base]} if base else {}
    attributes = classifier(
        grow(rng, 5, 4, 6, 2, score=score), [10, 20], post_transform=post, **more
    )
    compare("TreeEnsembleClassifier", points(rng), attributes, {"y": I64, "z": F})


@pytest.mark.parametrize("post", ["NONE", "LOGISTIC"])
def test_two_classes_of_which_leaves_score_one(rng, post):
    score = lambda tree: [(int(rng.integers(2)), float(rng.uniform(-1, 1)))]
    attributes = classifier(grow(rng, 2, 4, 6, 2, score=score), [0, 1], post_transform=post)
    compare("TreeEnsembleClassifier", points(rng), attributes, {"y": I64, "z": F})


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("targets", [1, 3])
def test_regression(rng, aggregate, targets):
    attributes = regressor(
        grow(rng, 10, 5, 6, targets),
        targets,
        aggregate_function=aggregate,
        base_values=[0.5, -0.5, 1.0][:targets],
    )
    compare("TreeEnsembleRegressor", points(rng), attributes, {"y": F})


@pytest.mark.parametrize("aggregate", ["SUM", "MIN", "MAX"])
def test_targets_without_scores(rng, aggregate):
    score = lambda tree: [(int(rng.integers(3)), float(rng.uniform(-1, 1)))]
    attributes = regressor(
        grow(rng, 2, 3, 6, 4, score=score), 4, aggregate_function=aggregate, base_values=[0.5, 0.25, 1.0, 2.0]
    )
    compare("TreeEnsembleRegressor", points(rng), attributes, {"y": F})


def test_probit(rng):
    score = lambda tree: [(0, float(rng.uniform(0.05, 0.3)))]
    attributes = regressor(grow(rng, 3, 3, 6, 1, score=score), 1, post_transform="PROBIT")
    compare("TreeEnsembleRegressor", points(rng), attributes, {"y": F}, rtol=1e-4)


ALL_MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


@pytest.mark.parametrize("modes", [[m] for m in ALL_MODES] + [ALL_MODES])
@pytest.mark.parametrize("missing", [False, True])
def test_modes_and_missing_values(rng, modes, missing):
    x = points(rng, 200)
    if missing:
        x[rng.uniform(size=x.shape) < 0.2] = np.nan
    attributes = regressor(grow(rng, 6, 5, 6, 1, modes, missing), 1)
    compare("TreeEnsembleRegressor", x, attributes, {"y": F})


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float64])
def test_inputs_that_are_not_float(rng, dtype):
    x = (3 * points(rng)).astype(dtype)
    attributes = classifier(grow(rng, 6, 4, 6, 3), [0, 1, 2])
    if dtype == np.float64:
        for name in ("nodes_values", "class_weights"):
            values = np.array(attributes.pop(name), np.float64) + 1e-9
            attributes[f"{name}_as_tensor"] = numpy_helper.from_array(values)
    compare("TreeEnsembleClassifier", x, attributes, {"y": I64, "z": F})


def test_one_row_and_lone_leaves(rng):
    grown = grow(rng, 3, 0, 4, 2)
    compare("TreeEnsembleRegressor", floats(rng, 1, 4), regressor(grown, 2), {"y": F})


def test_tree_ensemble_of_opset_5(rng):
    """Leaves and nodes in lists of their own, and nodes that ask for membership."""
    tensor = numpy_helper.from_array
    attributes = dict(
        n_targets=2,
        aggregate_function=1,
        post_transform=0,
        tree_roots=[0, 2],
        nodes_modes=tensor(np.array([0, 6, 6, 3], np.uint8)),
        nodes_featureids=[0, 1, 1, 2],
        nodes_splits=tensor(np.array([0.3, 0, 0, -0.5], np.float32)),
        nodes_truenodeids=[1, 0, 2, 3],
        nodes_trueleafs=[0, 1, 1, 1],
        nodes_falsenodeids=[2, 1, 3, 4],
        nodes_falseleafs=[1, 1, 0, 1],
        membership_values=tensor(np.array([1, 2, np.nan, 0, 3, 4, np.nan], np.float32)),
        leaf_targetids=[0, 1, 0, 1, 0],
        leaf_weights=tensor(np.array([0.5, -1, 2, 4, 8], np.float32)),
    )
    x = np.concatenate([rng.uniform(0, 1, (60, 1)), rng.integers(0, 6, (60, 1)), rng.normal(size=(60, 1))], 1)
    compare("TreeEnsemble", x.astype(np.float32), attributes, {"y": F}, opset=5)


@pytest.mark.parametrize("values", [1, 2, 4])
def test_sets_that_lead_to_nodes(rng, values):
    """Membership of which either answer is a node, another membership too, and
    where the way through the first set is the longest."""
    tensor = numpy_helper.from_array
    sets = [[*range(values), np.nan], [1, 4, np.nan]]
    attributes = dict(
        n_targets=2,
        aggregate_function=1,
        post_transform=0,
        tree_roots=[0],
        nodes_modes=tensor(np.array([6, 6, 0, 0], np.uint8)),
        nodes_featureids=[0, 1, 2, 2],
        nodes_splits=tensor(np.array([0, 0, 0.2, -0.4], np.float32)),
        nodes_truenodeids=[1, 3, 0, 2],
        nodes_trueleafs=[0, 0, 1, 1],
        nodes_falsenodeids=[2, 4, 1, 3],
        nodes_falseleafs=[0, 1, 1, 1],
        membership_values=tensor(np.array(sum(sets, []), np.float32)),
        leaf_targetids=[0, 1, 0, 1, 0],
        leaf_weights=tensor(np.array([0.5, -1, 2, 4, 8], np.float32)),
    )
    x = np.concatenate([rng.integers(0, 6, (80, 2)), rng.normal(size=(80, 1))], 1)
    compare("TreeEnsemble", x.astype(np.float32), attributes, {"y": F}, opset=5)


def test_deep_tree(rng):
    """A chain of 200 nodes, as unlimited growth makes them."""
    depth = 200
    inner, leaf = list(range(depth)), list(range(depth, 2 * depth + 1))
    attributes = dict(
        nodes_treeids=[0] * (2 * depth + 1),
        nodes_nodeids=inner + leaf,
        nodes_featureids=[0] * (2 * depth + 1),
        nodes_values=[i / depth for i in inner] + [0.0] * (depth + 1),
        nodes_modes=["BRANCH_LEQ"] * depth + ["LEAF"] * (depth + 1),
        nodes_truenodeids=[depth + i for i in inner] + [0] * (depth + 1),
        nodes_falsenodeids=[i + 1 for i in inner[:-1]] + [2 * depth] + [0] * (depth + 1),
        target_treeids=[0] * (depth + 1),
        target_nodeids=leaf,
        target_ids=[0] * (depth + 1),
        target_weights=[float(i) for i in leaf],
        n_targets=1,
    )
    x = rng.uniform(-0.2, 1.2, (100, 1)).astype(np.float32)
    compare("TreeEnsembleRegressor", x, attributes, {"y": F})


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda a: a["nodes_truenodeids"].__setitem__(0, 99), "leads nowhere"),
        (lambda a: a["nodes_truenodeids"].__setitem__(0, 0), "no tree"),
        (lambda a: a["nodes_modes"].__setitem__(0, "BRANCH_MAYBE"), "BRANCH_MAYBE"),
        (lambda a: a["nodes_nodeids"].__setitem__(1, 0), "twice"),
        (lambda a: a["nodes_values"].pop(), "differ in length"),
        (lambda a: a["target_ids"].__setitem__(0, 5), "not there"),
        (lambda a: a["nodes_featureids"].__setitem__(0, 3), "feature 3, which"),
        (lambda a: a["nodes_featureids"].__setitem__(0, -1), "feature -1, which"),
        (lambda a: a["nodes_featureids"].__setitem__(0, 2**32), "feature 4294967296, which"),
        (lambda a: a.update(n_targets=10**9), "1000000000 targets"),
        (lambda a: a.update(n_targets=2**62), "targets for"),
    ],
)
def test_trees_that_are_none(rng, change, message):
    attributes = regressor(grow(rng, 1, 2, 3, 1, score=lambda tree: [(0, 1.0)]), 1)
    change(attributes)
    with pytest.raises(quantc.CompileError, match=f"'the_node'.*{message}"):
        quantc.compile(build("TreeEnsembleRegressor", floats(rng, 4, 3), attributes, {"y": F}))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool_])
def test_splits_of_another_type(rng, dtype):
    attributes = regressor(grow(rng, 1, 2, 3, 1), 1)
    count = len(attributes.pop("nodes_values"))
    attributes["nodes_values_as_tensor"] = numpy_helper.from_array(np.ones(count, dtype))
    with pytest.raises(quantc.CompileError, match="'the_node'.*nodes_values_as_tensor has no type"):
        quantc.compile(build("TreeEnsembleRegressor", floats(rng, 4, 3), attributes, {"y": F}))


def test_many_targets(rng):
    """Of which few have a score: found in one pass through the leaves."""
    attributes = regressor(grow(rng, 2, 2, 3, 1), 1 << 20)
    compare("TreeEnsembleRegressor", floats(rng, 2, 3), attributes, {"y": F})


def test_features_of_an_input_of_unknown_width(rng):
    attributes = regressor(grow(rng, 1, 2, 3, 1, score=lambda tree: [(0, 1.0)]), 1)
    attributes["nodes_featureids"][0] = 2**40
    model = build("TreeEnsembleRegressor", floats(rng, 4, 3), attributes, {"y": F})
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "width"
    with pytest.raises(quantc.CompileError, match="'the_node'.*feature 1099511627776, which"):
        quantc.compile(model)


def test_maps_are_refused(rng):
    """What exporters of scikit-learn append unless told otherwise."""
    model = build("TreeEnsembleClassifier", points(rng), classifier(grow(rng, 2, 2, 6, 3), [0, 1, 2]), {"y": I64, "z": F})
    model.graph.node.append(
        helper.make_node("ZipMap", ["z"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2])
    )
    map_type = helper.make_map_type_proto(I64, helper.make_tensor_type_proto(F, None))
    model.graph.output[1].CopyFrom(
        helper.make_value_info("maps", helper.make_sequence_type_proto(map_type))
    )
    onnxruntime.InferenceSession(model.SerializeToString())
    with pytest.raises(quantc.CompileError, match="zipmap"):
        quantc.compile(model)


# --- linear models ----------------------------------------------------------


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize("labels", [[0, 1], [5, 3, 9], ["a", "bcd", "ef"]])
def test_linear_classifier(rng, post, labels):
    classes = len(labels)
    kind = "classlabels_strings" if isinstance(labels[0], str) else "classlabels_ints"
    attributes = dict(
        coefficients=floats(rng, classes * 6).tolist(),
        intercepts=floats(rng, classes).tolist(),
        post_transform=post,
        **{kind: labels},
    )
    outputs = {"y": S if isinstance(labels[0], str) else I64, "z": F}
    compare("LinearClassifier", floats(rng, 40, 6), attributes, outputs, opset=1)


@pytest.mark.parametrize("post", POSTS)
def test_linear_classifier_of_one_score(rng, post):
    attributes = dict(
        coefficients=floats(rng, 6).tolist(),
        intercepts=[0.2],
        classlabels_ints=[4, 2],
        post_transform=post,
    )
    compare("LinearClassifier", floats(rng, 40, 6), attributes, {"y": I64, "z": F}, opset=1)


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("intercepts", [False, True])
def test_linear_regressor(rng, post, targets, intercepts):
    attributes = dict(coefficients=floats(rng, targets * 6).tolist(), targets=targets, post_transform=post)
    if intercepts:
        attributes["intercepts"] = floats(rng, targets).tolist()
    compare("LinearRegressor", floats(rng, 40, 6), attributes, {"y": F}, opset=1, rtol=1e-4)


KERNELS = {
    "LINEAR": [0.0, 0.0, 0.0],
    "POLY": [0.3, 0.7, 3.0],
    "RBF": [0.4, 0.0, 0.0],
    "SIGMOID": [0.2, -0.1, 0.0],
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("one_class", [0, 1])
def test_svm_regressor(rng, kernel, one_class):
    attributes = dict(
        kernel_type=kernel,
        kernel_params=KERNELS[kernel],
        n_supports=9,
        support_vectors=floats(rng, 9 * 4).tolist(),
        coefficients=floats(rng, 9).tolist(),
        rho=[0.3],
        one_class=one_class,
    )
    compare("SVMRegressor", floats(rng, 40, 4), attributes, {"y": F}, opset=1, rtol=1e-4)


def test_linear_svm_regressor(rng):
    attributes = dict(n_supports=0, kernel_params=[0.0] * 3, coefficients=floats(rng, 4).tolist(), rho=[0.3])
    compare("SVMRegressor", floats(rng, 40, 4), attributes, {"y": F}, opset=1, rtol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("post", ["NONE", "LOGISTIC"])
def test_svm_classifier(rng, kernel, classes, post):
    vectors = [3, 5, 2, 4][:classes]
    attributes = dict(
        kernel_type=kernel,
        kernel_params=KERNELS[kernel],
        vectors_per_class=vectors,
        support_vectors=floats(rng, sum(vectors) * 4).tolist(),
        coefficients=floats(rng, (classes - 1) * sum(vectors)).tolist(),
        rho=floats(rng, classes * (classes - 1) // 2).tolist(),
        classlabels_ints=[3, 1, 4, 15][:classes],
        post_transform=post,
    )
    compare("SVMClassifier", floats(rng, 60, 4), attributes, {"y": I64, "z": F}, opset=1, rtol=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("positive", [False, True])
def test_linear_svm_classifier(rng, classes, positive):
    coefficients = floats(rng, classes * 4)
    attributes = dict(
        coefficients=(np.abs(coefficients) if positive else coefficients).tolist(),
        rho=[0.1],
        kernel_params=[0.0] * 3,
        classlabels_strings=["no", "yes", "perhaps"][:classes],
    )
    compare("SVMClassifier", floats(rng, 60, 4), attributes, {"y": S, "z": F}, opset=1, rtol=1e-4)


@pytest.mark.parametrize("counts", [[2**62, 2**62, 0], [5, -5, 0], [3, -1, 0], [9, 9, 9]])
def test_svm_classifier_of_wrong_counts(rng, counts):
    attributes = dict(
        vectors_per_class=counts,
        support_vectors=[1.0] * 4,
        coefficients=[1.0] * 12,
        rho=[0.0] * 3,
        kernel_params=[0.0] * 3,
        classlabels_ints=[0, 1, 2],
    )
    with pytest.raises(quantc.CompileError, match="'the_node'.*vectors_per_class"):
        quantc.compile(build("SVMClassifier", floats(rng, 5, 4), attributes, {"y": I64, "z": F}, opset=1))


@pytest.mark.parametrize(
    "changed,message",
    [
        (dict(n_supports=-2), "n_supports is negative"),
        (dict(kernel_params=[0.1] * 7), "gamma, coef0 and degree"),
        (dict(kernel_params=None), "gamma, coef0 and degree"),
    ],
)
def test_svm_regressor_that_is_none(rng, changed, message):
    attributes = dict(
        kernel_type="RBF",
        kernel_params=[0.1, 0.0, 0.0],
        n_supports=1,
        support_vectors=[1.0] * 4,
        coefficients=[1.0],
        rho=[0.0],
    )
    attributes = {k: v for k, v in (attributes | changed).items() if v is not None}
    with pytest.raises(quantc.CompileError, match=f"'the_node'.*{message}"):
        quantc.compile(build("SVMRegressor", floats(rng, 5, 4), attributes, {"y": F}, opset=1))


# --- features ---------------------------------------------------------------


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_normalizer(rng, norm, dtype):
    x = (4 * floats(rng, 20, 5)).astype(dtype)
    x[3] = 0
    compare("Normalizer", x, dict(norm=norm), {"y": F}, opset=1)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("replaced", [float("nan"), 2.0])
def test_imputer(rng, count, replaced):
    x = floats(rng, 20, 4)
    x[rng.uniform(size=x.shape) < 0.3] = replaced
    attributes = dict(imputed_value_floats=floats(rng, count).tolist(), replaced_value_float=replaced)
    compare("Imputer", x, attributes, {"y": F}, opset=1)


@pytest.mark.parametrize("shape", [(5, 1), (5, 2), (1,), ()])
def test_imputer_of_another_number_of_columns(rng, shape):
    """One column must not become three."""
    attributes = dict(imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=0.0)
    x = np.zeros(shape, np.float32)
    with pytest.raises(quantc.CompileError, match="'the_node'.*3 values to impute"):
        quantc.compile(build("Imputer", x, attributes, {"y": F}, opset=1))


def test_imputer_of_unknown_width(rng):
    attributes = dict(imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=0.0)
    model = build("Imputer", np.zeros((5, 3), np.float32), attributes, {"y": F}, opset=1)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "width"
    compiled = quantc.compile(model)
    (y,) = compiled.run({"x": np.zeros((5, 3), np.float32)})
    np.testing.assert_array_equal(y, [[7, 8, 9]] * 5)
    with pytest.raises(quantc.RunError, match="'the_node'.*3 columns"):
        compiled.run({"x": np.zeros((5, 1), np.float32)})


def test_imputer_of_integers(rng):
    x = rng.integers(-2, 3, (20, 3))
    attributes = dict(imputed_value_int64s=[7, 8, 9], replaced_value_int64=-2)
    compare("Imputer", x, attributes, {"y": I64}, opset=1)


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_one_hot_encoder(rng, dtype):
    x = rng.integers(0, 6, (20, 2)).astype(dtype)
    compare("OneHotEncoder", x, dict(cats_int64s=[4, 0, 2], zeros=1), {"y": F}, opset=1)
    known = dict(cats_int64s=[5, 4, 3, 2, 1, 0], zeros=0)
    compare("OneHotEncoder", x, known, {"y": F}, opset=1)
    known["cats_int64s"] = [4, 3, 2, 1, 0]
    with pytest.raises(quantc.RunError, match="'the_node'.*no category"):
        quantc.compile(build("OneHotEncoder", x, known, {"y": F}, 1)).run({"x": x})


@pytest.mark.parametrize("zeros", [0, 1])
def test_one_hot_encoder_with_equal_categories(zeros):
    """The last one of them counts."""
    x = np.array([[1, 2, 3], [3, 3, 1]])
    compare("OneHotEncoder", x, dict(cats_int64s=[1, 2, 1, 3, 1, 2], zeros=zeros), {"y": F}, opset=1)
    ends = [2**63 - 1, -(2**63), 2**63 - 1, 0]
    compare("OneHotEncoder", np.array([[0, ends[0], ends[1]]]), dict(cats_int64s=ends, zeros=zeros), {"y": F}, opset=1)


@pytest.mark.parametrize("shape", [(2, 2, 3), (3,), (2, 1, 1, 3)])
def test_imputer_of_other_ranks(rng, shape):
    x = rng.integers(0, 3, shape).astype(np.float32)
    compare("Imputer", x, dict(imputed_value_floats=[7.0], replaced_value_float=1.0), {"y": F}, opset=1)
    attributes = dict(imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=1.0)
    if len(shape) == 1:
        compare("Imputer", x, attributes, {"y": F}, opset=1)
        return
    with pytest.raises(quantc.CompileError, match="'the_node'.*3 values to impute.*rows and columns"):
        quantc.compile(build("Imputer", x, attributes, {"y": F}, opset=1))


def test_imputer_of_a_scalar():
    attributes = dict(imputed_value_floats=[7.0], replaced_value_float=1.0)
    with pytest.raises(quantc.CompileError, match="'the_node'.*scalar"):
        quantc.compile(build("Imputer", np.array(1, np.float32), attributes, {"y": F}, opset=1))


@pytest.mark.parametrize("sizes", [[3, 2], [2, 4]])
def test_feature_vectorizer(rng, sizes):
    """Columns of several inputs; one with fewer than are asked for has zeros."""
    feeds = {"a": floats(rng, 6, 3), "b": floats(rng, 6, 2)}
    model = build("FeatureVectorizer", feeds["a"], dict(inputdimensions=sizes), {"y": F}, 1)
    model.graph.node[0].input[:] = ["a", "b"]
    del model.graph.input[:]
    for name, value in feeds.items():
        model.graph.input.append(helper.make_tensor_value_info(name, F, list(value.shape)))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (expected,) = session.run(None, feeds)
    (actual,) = quantc.compile(model).run(feeds)
    np.testing.assert_array_equal(actual, expected)
