"""Text from compiled language models, a token at a time.

>>> for piece in quantc.generate("model.so", "tokenizer.json", "Once upon"):
...     print(piece, end="", flush=True)
"""

import resource
import time
from pathlib import Path

import numpy as np

from . import Model, RunError, load

# What tokenizers call the end of a text.
_END_TOKENS = ("<|endoftext|>", "<|im_end|>", "</s>", "<eos>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>")


def dtype_of(info):
    """numpy's type for an input or output."""
    try:
        return np.dtype(info.dtype)
    except TypeError:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, info.dtype))


class Decoder:
    """A language model, and the tokens that it has seen.

    The model takes tokens [1, n], and attention_mask and position_ids if it has such inputs. Inputs named past...
    are its cache, which outputs named present... give back; without a cache, all tokens are fed again each time. A
    cache that grows in place lies in buffers for `capacity` tokens here, which double when they are full.
    """

    def __init__(self, model, capacity=256):
        self.model = model if isinstance(model, Model) else load(model)
        self.seconds = 0.0
        names = [i.name for i in self.model.inputs]
        if not names:
            raise RunError("a language model has an input of tokens")
        self.tokens = "input_ids" if "input_ids" in names else names[0]
        outputs = {o.name: i for i, o in enumerate(self.model.outputs)}
        self._first_capacity = max(1, capacity)
        # States are what has a capacity; how much of it they hold is an input and an output.
        self._states = [i for i in self.model.inputs if any(str(d).endswith(".capacity") for d in i.shape)]
        self._lengths = {
            length: outputs[length]
            for length in {self._length_of(info) for info in self._states}
            if length in outputs
        }
        self._pairs, unknown = [], []
        for info in self.model.inputs:
            if info.name in self._lengths or info in self._states or info.name in (self.tokens, "attention_mask", "position_ids"):
                continue
            present = [
                name
                for name in (info.name.replace("past_key_values", "present"), info.name.replace("past", "present"))
                if name in outputs and name != info.name
            ]
            if present and len(info.shape) == 4:
                self._pairs.append((info, outputs[present[0]]))
            else:
                unknown.append(info.name)
        if unknown:
            raise RunError(
                "a decoder gets tokens, attention_mask, position_ids and a cache (past..., [1, heads, tokens, size], "
                f"and an output present...), but the model asks for {', '.join(sorted(unknown))}"
            )
        shape = next(i.shape for i in self.model.inputs if i.name == self.tokens)
        self._step = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None
        self.reset()

    @staticmethod
    def _axis_of(info):
        return next(i for i, d in enumerate(info.shape) if str(d).endswith(".capacity"))

    def _length_of(self, info):
        return str(info.shape[self._axis_of(info)]).removesuffix(".capacity") + ".length"

    def _buffer(self, info, capacity):
        # The system gives memory that is zero when it is first touched.
        sizes = list(info.shape)
        sizes[self._axis_of(info)] = capacity
        return np.zeros(sizes, dtype_of(info))

    def _make_room(self, tokens):
        """Buffers for `tokens` more than there are, and for those that wait in a cache that does not grow in place."""
        tokens += max((self._cache[info.name].shape[2] for info, _ in self._pairs), default=0)
        for info in self._states:
            old, axis = self._cache[info.name], self._axis_of(info)
            held = int(self._held[self._length_of(info)][0])
            if held + tokens > old.shape[axis]:
                buffer = self._buffer(info, max(2 * old.shape[axis], held + tokens))
                part = (slice(None),) * axis + (slice(held),)
                buffer[part] = old[part]
                self._cache[info.name] = buffer

    def reset(self):
        """Forgets all tokens."""
        self.history = np.zeros((1, 0), np.int64)
        self._cache = {info.name: self._buffer(info, self._first_capacity) for info in self._states}
        self._held = {length: np.zeros(1, np.int64) for length in self._lengths}
        for info, _ in self._pairs:
            sizes = [size if isinstance(size, int) else 0 for size in info.shape]
            sizes[0], sizes[2] = 1, 0
            if not all(isinstance(info.shape[i], int) for i in (1, 3)):
                raise RunError(f"the cache '{info.name}' must have a known number of heads, and a known size of them")
            self._cache[info.name] = np.zeros(sizes, dtype_of(info))

    @property
    def cache_bytes(self):
        """Of what the cache holds; buffers may have room for more."""
        count = sum(self._cache[info.name].nbytes for info, _ in self._pairs)
        for info in self._states:
            array, axis = self._cache[info.name], self._axis_of(info)
            count += array.nbytes // array.shape[axis] * int(self._held[self._length_of(info)][0])
        return count

    def feed(self, tokens):
        """Appends tokens; the logits [tokens, vocabulary] of what follows each."""
        tokens = np.asarray(tokens, np.int64).reshape(1, -1)
        if not self._pairs and not self._states:
            self.history = np.concatenate([self.history, tokens], 1)
            return self._run(self.history, 0)[-tokens.shape[1] :]
        # A graph for one token takes a prompt token by token.
        step = self._step or tokens.shape[1]
        if tokens.shape[1] % step:
            raise RunError(f"the model takes {step} tokens at a time, and {tokens.shape[1]} are no multiple of that")
        parts = []
        for start in range(0, tokens.shape[1], step):
            part = tokens[:, start : start + step]
            parts.append(self._run(part, self.history.shape[1]))
            self.history = np.concatenate([self.history, part], 1)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, tokens, past):
        self._make_room(tokens.shape[1])
        inputs = dict(self._held)
        for info in self.model.inputs:
            if info.name in self._held:
                continue
            if info.name in self._cache:
                inputs[info.name] = self._cache[info.name]
                continue
            if info.name == "attention_mask":
                value = np.ones((1, past + tokens.shape[1]), np.int64)
            elif info.name == "position_ids":
                value = np.arange(past, past + tokens.shape[1])[None]
            else:
                value = tokens
            inputs[info.name] = value.astype(info.dtype)
        start = time.perf_counter()
        results = self.model.run(inputs)
        self.seconds += time.perf_counter() - start
        for info, output in self._pairs:
            self._cache[info.name] = results[output]
        for length, output in self._lengths.items():
            self._held[length] = results[output]
        logits = results[0]
        if logits.ndim != 3 or logits.shape[:2] != tokens.shape:
            raise RunError(
                f"expected logits [1, {tokens.shape[1]}, vocabulary] as the first output, got {list(logits.shape)}"
            )
        return logits[0]


def sample(logits, temperature=0.0, top_k=0, rng=None):
    """One token: the likeliest at temperature 0, else drawn from the `top_k` likeliest (0: from all)."""
    if temperature <= 0:
        return int(np.argmax(logits))
    logits = np.asarray(logits, np.float64) / temperature
    candidates = np.argsort(-logits, kind="stable")[: top_k or len(logits)]
    weights = np.exp(logits[candidates] - logits[candidates[0]])
    total = np.cumsum(weights)
    place = np.searchsorted(total, (rng or np.random.default_rng()).random() * total[-1], side="right")
    return int(candidates[min(place, len(candidates) - 1)])


class Generation:
    """A text on its way: iterating yields pieces of it as they come.

    `text` and `tokens` are what there is so far, without the prompt; `finish()` runs to the end.
    """

    def __init__(self, decoder, tokenizer, prompt_ids, end_ids, max_tokens, temperature, top_k, seed):
        self.decoder = decoder
        self.tokenizer = tokenizer
        self.prompt_tokens = prompt_ids
        self.tokens = []
        self.text = ""
        self.stopped_at_end = False
        self.prompt_seconds = 0.0
        self.seconds = 0.0
        self._pieces = self._run(end_ids, max_tokens, temperature, top_k, np.random.default_rng(seed))

    def __iter__(self):
        return self._pieces

    def finish(self):
        for _ in self._pieces:
            pass
        return self

    @property
    def tokens_per_second(self):
        """Of the steps after the prompt."""
        steps = len(self.tokens) - (0 if self.stopped_at_end else 1)
        return steps / self.seconds if self.seconds > 0 else 0.0

    @property
    def peak_memory(self):
        """The most bytes that this process has had in memory."""
        # What getrusage says may be that of the program which started this one.
        status = Path("/proc/self/status")
        if status.exists():
            return int(next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:")).split()[1]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def _run(self, end_ids, max_tokens, temperature, top_k, rng):
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(skip_special_tokens=True)
        self.decoder.reset()
        before = self.decoder.seconds
        logits = self.decoder.feed(self.prompt_tokens)[-1]
        self.prompt_seconds = self.decoder.seconds - before
        while len(self.tokens) < max_tokens:
            token = sample(logits, temperature, top_k, rng)
            if token in end_ids:
                self.stopped_at_end = True
                return
            self.tokens.append(token)
            # A character may take several tokens.
            piece = stream.step(self.tokenizer, token)
            if piece:
                self.text += piece
                yield piece
            if len(self.tokens) < max_tokens:
                before = self.decoder.seconds
                logits = self.decoder.feed([token])[-1]
                self.seconds += self.decoder.seconds - before


def _load_tokenizer(tokenizer):
    if not isinstance(tokenizer, (str, Path)):
        return tokenizer
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise RunError("text needs Python's package 'tokenizers': pip install tokenizers") from None
    if not Path(tokenizer).is_file():
        raise FileNotFoundError(f"no such file: '{tokenizer}'")
    try:
        return Tokenizer.from_file(str(tokenizer))
    except Exception as error:
        raise ValueError(f"'{tokenizer}' is no tokenizer: {error}") from None


def _find_token(tokenizer, token):
    if isinstance(token, int):
        return token
    found = tokenizer.token_to_id(token)
    if found is None and token.isdigit():
        found = int(token)
    if found is None:
        raise ValueError(f"the tokenizer has no token '{token}'")
    return found


def generate(
    model, tokenizer, prompt="", max_tokens=128, temperature=0.0, top_k=0, seed=0, end=None, start=None
):
    """Continues a prompt: a `Generation`, which yields pieces of text.

    Args:
      model: a compiled model (see `Decoder`), or the path of one.
      tokenizer: a tokenizer.json, or a `tokenizers.Tokenizer`.
      temperature: 0 takes the likeliest token each time.
      top_k: draw from so many tokens only (0: from all).
      seed: the same one gives the same text.
      end: the token to stop at (text or number), or a list of them; without it, the ones that usual tokenizers have.
      start: a token to put before the prompt; an empty prompt gets the first of the end tokens.
    """
    if max_tokens < 0 or temperature < 0 or top_k < 0:
        raise ValueError("max_tokens, temperature and top_k must not be negative")
    tokenizer = _load_tokenizer(tokenizer)
    if end is None:
        ends = [i for i in map(tokenizer.token_to_id, _END_TOKENS) if i is not None]
    else:
        ends = [_find_token(tokenizer, token) for token in ([end] if isinstance(end, (str, int)) else end)]
    ids = list(tokenizer.encode(prompt).ids)
    if start is not None:
        ids.insert(0, _find_token(tokenizer, start))
    if not ids:
        if not ends:
            raise ValueError("an empty prompt needs a token to start with")
        ids = ends[:1]
    return Generation(Decoder(model), tokenizer, ids, set(ends), max_tokens, temperature, top_k, seed)
