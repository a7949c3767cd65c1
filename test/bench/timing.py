"""Times two ways of running the same thing, so that the ratio means something.

Both are warmed up and then run in turns, a short burst each, so that whatever
else the machine does falls on both; the result is the median of single runs.
"""

import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "test" / folder) for folder in ("python", "models")]
if (ROOT / "build" / "python").is_dir():
    sys.path.insert(0, str(ROOT / "build" / "python"))


INTEGER_HEADING = "\n## Integer layers\n"


def split_page(text):
    """docs/Benchmarks.md before the parts that other benchmarks write, and those."""
    before, heading, after = text.partition(INTEGER_HEADING)
    return before, heading + after


def replace_section(path, heading, body):
    """Writes `body` below `heading` of a page, up to the next heading of that level."""
    before, _, after = path.read_text().partition(heading)
    _, following, rest = after.partition("\n## ")
    path.write_text(before.rstrip("\n") + "\n" + heading + body + following + rest)


def once(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def interleaved(ours, theirs, seconds=4.0, burst=3, least=8):
    """Median seconds of `ours` and of `theirs`."""
    for run in (ours, theirs, ours, theirs):
        run()
    times = ([], [])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < least:
        for run, record in zip((ours, theirs), times):
            run()  # the other side has just had the caches
            record.extend(once(run) for _ in range(burst))
    return tuple(statistics.median(t) for t in times)


def onnx_runtime(path, threads):
    """A function that runs the model on ONNX Runtime with so many threads."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    # Its threads would spin on while the other side has its turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)
