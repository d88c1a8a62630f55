"""Errors that carry no secret in their frames: reporters of errors often send the locals of every frame along."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tieout.errors import TieoutError

P = ParamSpec("P")
R = TypeVar("R")


def discreet(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, which handles secrets in the clear: its expected errors leave it without the frames in which they
    were raised. Words, facts and the caller's frames stay; a bug of ours keeps its whole traceback."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TieoutError as error:
            bare = _bare(error)
        del args, kwargs  # this frame stays
        raise bare

    return call


def _bare(error: TieoutError) -> TieoutError:
    seen: BaseException | None = error
    while seen is not None:
        seen.__traceback__ = None
        seen = seen.__cause__ or seen.__context__
    return error
