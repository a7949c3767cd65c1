"""What to quantize, and how: the schema of docs/Quantization.md as dataclasses.

A field that is None is what the recipe's base has.
"""

import dataclasses
import json
import os
import typing


@dataclasses.dataclass
class Weights:
    """How constant weights become integers (or small floats)."""

    format: typing.Optional[str] = None
    bits: typing.Optional[int] = None
    scheme: typing.Optional[str] = None
    granularity: typing.Optional[str] = None
    group_size: typing.Optional[int] = None
    scales: typing.Optional[str] = None
    range: typing.Optional[str] = None
    rounding: typing.Optional[str] = None
    gptq_block_size: typing.Optional[int] = None
    gptq_damping: typing.Optional[float] = None
    gptq_act_order: typing.Optional[bool] = None
    gptq_sweeps: typing.Optional[int] = None
    clip_sweeps: typing.Optional[int] = None
    hqq_iterations: typing.Optional[int] = None
    hqq_norm: typing.Optional[float] = None


@dataclasses.dataclass
class Activations:
    """How all other operands become integers."""

    mode: typing.Optional[str] = None
    bits: typing.Optional[int] = None
    signed: typing.Optional[bool] = None
    scheme: typing.Optional[str] = None
    granularity: typing.Optional[str] = None
    range: typing.Optional[str] = None
    everywhere: typing.Optional[bool] = None


@dataclasses.dataclass
class Transformation:
    """A change of the float model before it is quantized: smoothquant, awq, equalize
    or bias-correction."""

    method: str = "smoothquant"
    alpha: typing.Optional[float] = None
    steps: typing.Optional[int] = None
    online: typing.Optional[bool] = None
    threshold: typing.Optional[float] = None


@dataclasses.dataclass
class Override:
    """What holds instead for nodes whose name matches a pattern, or for an op."""

    node: typing.Optional[str] = None
    op: typing.Optional[str] = None
    skip: typing.Optional[bool] = None
    weights: typing.Optional[Weights] = None
    activations: typing.Optional[Activations] = None
    slower_layers: typing.Optional[str] = None


@dataclasses.dataclass
class Recipe:
    """A recipe: a base by its name, and what differs from it.

    >>> Recipe("w8a8", skip=["/lm_head/*"], weights=Weights(bits=4))
    """

    base: str = "w8a8"
    weights: typing.Optional[Weights] = None
    activations: typing.Optional[Activations] = None
    integer_bias: typing.Optional[bool] = None
    sequential: typing.Optional[bool] = None
    transformations: typing.Sequence[Transformation] = ()
    overrides: typing.Sequence[Override] = ()
    skip: typing.Sequence[str] = ()
    first_layer: typing.Optional[str] = None
    last_layer: typing.Optional[str] = None
    slower_layers: typing.Optional[str] = None

    def to_yaml(self):
        """The recipe as the compiler reads it (JSON, which is YAML)."""
        return json.dumps(_strip(dataclasses.asdict(self)))


def _strip(value):
    """Leaves out what is not given, and spells keys as YAML has them."""
    if isinstance(value, dict):
        return {
            key.replace("_", "-"): _strip(v)
            for key, v in value.items()
            if v is not None and v != () and v != []
        }
    if isinstance(value, (list, tuple)):
        return [_strip(v) for v in value]
    return value


def to_text(recipe):
    """What the compiler takes: a name, a file or text."""
    if recipe is None:
        return ""
    if hasattr(recipe, "yaml"):  # what tune found
        return recipe.yaml
    if isinstance(recipe, Recipe):
        return recipe.to_yaml()
    return os.fspath(recipe)
