"""What a push asks of Python's garbage collector ends with it, and is not asked where the host has said something."""

from __future__ import annotations

import gc

import pytest

from tieout.push.garbage import only_what_is_new


def test_what_was_loaded_is_left_out_until_the_end_however_it_ends() -> None:
    before = gc.get_freeze_count()
    gc.unfreeze()
    try:
        with pytest.raises(ValueError, match=r"^1$"), only_what_is_new():
            raise ValueError(min(1, gc.get_freeze_count()))
        assert gc.get_freeze_count() == 0
    finally:
        if before:
            gc.freeze()


def test_a_host_that_froze_its_own_keeps_it() -> None:
    before = gc.get_freeze_count()
    gc.freeze()
    try:
        with only_what_is_new():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        if not before:
            gc.unfreeze()
