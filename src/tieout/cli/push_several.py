"""`tieout push NAME NAME ...`: several pushes, each after those whose records its own refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.cli.invocation import Invocation
    from tieout.cli.output import Output
    from tieout.push import PushReport
    from tieout.push.order import Pushed


def push_several(
    call: Invocation,
    names: Sequence[str],
    *,
    alone: Mapping[str, object],
    show: Callable[[PushReport], int],
    as_json: Callable[[PushReport], dict[str, Any]],
    **options: Any,
) -> int:
    """Push them one after the other and say what came of each -> the exit code: the first error's, else 1 where a
    record is not in Intacct. `alone` are the options that go with one push only."""
    from tieout import push as room

    if given := [name for name, value in alone.items() if value]:
        raise ConfigurationError(
            f"{given[0]} goes with one push, and {len(names)} are named.", advice="Push them one by one."
        )
    output = call.output
    done: list[Pushed] = []
    with call.doubts_as_messages():
        going = room.push_all(
            call.project(), names, progress=lambda name, so_far, of: bar.advance(name, so_far, of, "records"), **options
        )
        while True:
            with output.progress() as bar:
                each = next(going, None)
            if each is None:
                break
            if not output.json:  # each as soon as it is known: a later one may be interrupted
                if done:
                    output.line()
                _show(output, each, show)
            done.append(each)
    if output.json:
        output.result([_as_json(each, as_json) for each in done])
    return exit_code(done)


def _show(output: Output, each: Pushed, show: Callable[[PushReport], int]) -> None:
    if each.report is not None:
        show(each.report)
    elif each.error is not None:
        output.heading(f"{each.name}: nothing came of it")
        output.item(f"{each.error.message} {each.error.advice}".strip())
    else:
        output.heading(f"{each.name}: not begun")
        output.item(f"Its records need those of {each.waits_for}, which failed.")


def exit_code(done: Sequence[Pushed]) -> int:
    """Of all of them together."""
    errors = [each.error.exit_code for each in done if each.error is not None]
    return errors[0] if errors else max(each.exit_code for each in done)


def _as_json(each: Pushed, as_json: Callable[[PushReport], dict[str, Any]]) -> dict[str, Any]:
    if each.report is not None:
        return as_json(each.report)
    error = each.error.to_dict() if each.error is not None else None
    return {"name": each.name, "error": error, "waits_for": each.waits_for, "exit_code": each.exit_code}
