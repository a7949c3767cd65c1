"""Writes statistics as `quantc calibrate` would, from arrays of values."""

import numpy as np


def _key(values):
    """The bucket of a number: the top 18 bits of its float32."""
    return np.asarray(values, np.float32).view(np.uint32) >> 14


def write_statistics(path, samples, gram=()):
    """`samples`: for each name of a value a list of arrays whose last axis holds
    the channels. Values in `gram` get Gram matrices."""
    names = sorted(samples)
    columns = {
        name: []
        for name in (
            "range histogram_size histogram_key histogram_count sample_size sample_range channel_axis channel_size "
            "channel_range count_per_channel has_moments sum sum_abs sum_squares"
        ).split()
    }
    arrays = {}
    for number, name in enumerate(names):
        values = [np.asarray(v, np.float32) for v in samples[name]]
        rows = np.concatenate([v.reshape(-1, v.shape[-1]) for v in values])
        keys, counts = np.unique(_key(rows.reshape(-1)), return_counts=True)
        columns["range"].append([[rows.min(), rows.max()]])
        columns["histogram_size"].append([len(keys)])
        columns["histogram_key"].append(keys)
        columns["histogram_count"].append(counts)
        columns["sample_size"].append([len(values)])
        columns["sample_range"].append([[v.min(), v.max()] for v in values])
        columns["channel_axis"].append([values[0].ndim - 1])
        columns["channel_size"].append([rows.shape[1]])
        columns["channel_range"].append(np.stack([rows.min(0), rows.max(0)], 1))
        columns["count_per_channel"].append([len(rows)])
        columns["has_moments"].append([1])
        columns["sum"].append(rows.sum(0, dtype=np.float64))
        columns["sum_abs"].append(np.abs(rows).sum(0, dtype=np.float64))
        columns["sum_squares"].append((rows.astype(np.float64) ** 2).sum(0))
        if name in gram:
            wide = rows.astype(np.float64)
            arrays[f"gram_{number}"] = wide.T @ wide
    types = {
        "range": np.float32,
        "sample_range": np.float32,
        "channel_range": np.float32,
        "histogram_key": np.uint32,
        "channel_axis": np.int64,
        "has_moments": np.uint8,
        "sum": np.float64,
        "sum_abs": np.float64,
        "sum_squares": np.float64,
    }
    for name, parts in columns.items():
        arrays[name] = np.concatenate(parts).astype(types.get(name, np.uint64))
    arrays["version"] = np.uint32(2)
    arrays["num_samples"] = np.uint64(max(len(v) for v in samples.values()))
    arrays["model_hash"] = np.zeros(0, np.uint8)
    arrays["range_method"] = np.zeros(0, np.uint8)
    arrays["names"] = np.frombuffer("\n".join(names).encode(), np.uint8)
    np.savez(path, **arrays)
