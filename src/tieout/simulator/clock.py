"""The company's clock: frozen at a moment, or running. Knows UTC and whole seconds only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

STAMP = "%Y-%m-%dT%H:%M:%SZ"
_FIRST, _LAST = 1900, 9000
_BOUNDS = f"the clock goes from the year {_FIRST} to {_LAST}"  # beyond it terms and periods run out of days


class Clock:
    """Whole seconds in UTC, as Sage stamps them (REST reference 10.1). `Clock()` runs, `Clock(moment)` stands still."""

    def __init__(self, now: datetime | None = None) -> None:
        self._frozen: datetime | None = None
        self._ahead = timedelta()
        if now is not None:
            self.freeze(now)

    @property
    def is_frozen(self) -> bool:
        return self._frozen is not None

    def now(self) -> datetime:
        """Aware, UTC, whole seconds."""
        moment = self._frozen if self._frozen is not None else datetime.now(UTC) + self._ahead
        return moment.replace(microsecond=0)

    def stamp(self) -> str:
        """`now` as the wire writes it: `2026-03-18T07:30:14Z`."""
        return self.now().strftime(STAMP)

    def freeze(self, at: datetime) -> None:
        """Stand still at a moment; a naive one is read as UTC. Raises ValueError as `advance` does."""
        self._frozen = _possible(at if at.tzinfo is not None else at.replace(tzinfo=UTC), timedelta())

    def advance(self, seconds: float) -> None:
        """Move on, whether frozen or running. Raises ValueError where that leads out of the years it knows."""
        try:
            step = timedelta(seconds=seconds)
        except OverflowError:
            raise ValueError(_BOUNDS) from None
        if self._frozen is not None:
            self._frozen = _possible(self._frozen, step)
        else:
            _possible(datetime.now(UTC), self._ahead + step)
            self._ahead += step

    @property
    def state(self) -> tuple[datetime | None, float]:
        """Where it stands frozen, and by how many seconds it is ahead while it runs."""
        return self._frozen, self._ahead.total_seconds()

    @state.setter
    def state(self, state: tuple[datetime | None, float]) -> None:
        self._frozen, self._ahead = state[0], timedelta(seconds=state[1])

    def run(self) -> None:
        """Run on from where the clock stands."""
        if self._frozen is not None:
            self._ahead = self._frozen - datetime.now(UTC)
            self._frozen = None


def _possible(moment: datetime, step: timedelta) -> datetime:
    """The moment a step later, in UTC. ValueError out of bounds."""
    try:
        found = moment.astimezone(UTC) + step
    except OverflowError:
        raise ValueError(_BOUNDS) from None
    if not _FIRST <= found.year <= _LAST:
        raise ValueError(_BOUNDS)
    return found
