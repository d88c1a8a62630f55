"""Keeps Python's search for garbage to what a push makes itself. Knows nothing of pushes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_what_is_new() -> Iterator[None]:
    """Leave what is loaded by now out of the search for garbage until the end: libraries and models live longer anyway,
    and to look through them again and again takes a tenth of a push. A host that does the like for itself
    (`gc.freeze`) is left alone; of two pushes at a time, the first one's end counts for both."""
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
