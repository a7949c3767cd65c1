"""What `Model.profile` gives."""

import os


class Profile:
    """Where the time of a run goes. Printed, it is a table.

    `kernels` is a list of dictionaries, the one that takes most time first:
    `nodes`, `kernel`, `kind` ("f32", "int8" or ""), `calls`, `seconds`,
    `operations`, `bytes` (all of one run), `limit` (the operations or the
    memory that limits it) and `share_of_peak` (how near it is to that limit).
    `peaks` has what the machine reached: operations a second for each kind, and
    bytes a second for each memory. `seconds` is the time of a run.
    """

    def __init__(self, result):
        self.seconds = result["seconds"]
        self.kernels = result["kernels"]
        self.peaks = result["peaks"]
        self._table = result["table"]
        self._page = result["page"]

    def to_html(self, path):
        """Writes a page with a roofline picture."""
        with open(os.fspath(path), "w", encoding="utf-8") as file:
            file.write(self._page)

    def __str__(self):
        return self._table

    def __repr__(self):
        return f"Profile({len(self.kernels)} kernels, {self.seconds * 1e3:.3f} ms)"
