"""What static 8-bit quantization costs real models: `test/bench/accuracy.py` measures it, and docs/Quantization.md has it."""

import numpy as np
import pytest

import quantc
from real_models import MODELS
from test_real_models import locate

pytestmark = pytest.mark.models

# What docs have with min-max ranges, less a bit (6 dB), as samples differ; a layer that is quantized wrongly costs more.
LEAST = {"mnist-conv": 29.3, "espcn-subpixel": 35.8, "ppocr-cls": 19.1, "silero-vad-static": 20.5}


@pytest.mark.parametrize("name", LEAST)
def test_signal_to_noise(name):
    model = MODELS[name]
    path = locate(model)
    random = np.random.default_rng(1)
    feeds = [model.feed(random, model.sizes[0]) for _ in range(24)]
    calibration, unseen = feeds[:16], feeds[16:]
    libraries = [quantc.compile(str(path)), quantc.compile(str(path), quantize="w8a8", calibration=calibration)]
    signal = noise = 0.0
    for feed in unseen:
        expected, found = (max((o for o in m.run(feed) if o.dtype.kind == "f"), key=np.size) for m in libraries)
        signal += np.square(expected, dtype=np.float64).sum()
        noise += np.square(expected - found, dtype=np.float64).sum()
    assert 10 * np.log10(signal / noise) > LEAST[name]
