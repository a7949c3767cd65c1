"""What users may pass as a model and as shapes, in the forms that the extension takes."""

import os


def to_model(model):
    """A path as text, or the bytes of a model."""
    if hasattr(model, "SerializeToString"):
        return model.SerializeToString()
    if isinstance(model, (bytes, bytearray, memoryview)):
        return bytes(model)
    return os.fspath(model)


def to_shapes(shapes):
    """Lists of sizes by name, with -1 for those that stay dynamic."""
    return {
        name: [-1 if size is None else int(size) for size in shape]
        for name, shape in (shapes or {}).items()
    }
