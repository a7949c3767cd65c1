"""Tokens to calibrate and to score language models with, whatever their vocabulary.

A model whose folder has test_tokens.npy and calib_tokens.npy gets these. For a model that was made of a GGUF file (which
lies beside it), the tokens of shared/lm become text again, and then tokens of the tokenizer that the GGUF file holds.
"""

import numpy as np
from timing import ROOT

TEXTS = ROOT.parent / "shared" / "lm"


def tokenizer_of(path):
    """The byte-level BPE tokenizer of a GGUF file."""
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    fields = GGUFReader(path).fields
    vocabulary, merges, kinds = (
        fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges", "token_type")
    )
    if (kind := fields["tokenizer.ggml.model"].contents()) != "gpt2":
        raise SystemExit(f"{path}: no byte-level BPE but '{kind}'")
    numbers = {token: number for number, token in enumerate(vocabulary)}
    result = Tokenizer(models.BPE(numbers, [tuple(merge.split(" ")) for merge in merges]))
    bytes_of_words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if fields["tokenizer.ggml.pre"].contents() == "smollm":
        bytes_of_words = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_of_words])
    result.pre_tokenizer, result.decoder = bytes_of_words, decoders.ByteLevel()
    # Kind 3 is a control token, such as the end of a text.
    result.add_special_tokens([AddedToken(token, special=True) for token, kind in zip(vocabulary, kinds) if kind == 3])
    return result


def load_tokens(model):
    """(test, calibration)"""
    names = [f"{name}_tokens.npy" for name in ("test", "calib")]
    if all((model.parent / name).exists() for name in names):
        return tuple(np.load(model.parent / name) for name in names)
    from tokenizers import Tokenizer

    source = next((p for p in model.parent.glob("*.gguf") if model.stem.startswith(p.stem)), None)
    if source is None:
        raise SystemExit(f"{model}: neither {names[0]} nor a GGUF file of that name is beside it")
    ours, theirs = Tokenizer.from_file(str(TEXTS / "tokenizer.json")), tokenizer_of(source)
    texts = (ours.decode(np.load(TEXTS / name).tolist(), skip_special_tokens=False) for name in names)
    return tuple(np.asarray(theirs.encode(text).ids, np.int32) for text in texts)
