"""The proof at the end of a table's pull. Where Intacct refuses to count, that is what the proof says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieout.catalogue.model import Model
from tieout.errors import TieoutError
from tieout.pull.destinations.base import Destination
from tieout.pull.destinations.state import TableState
from tieout.pull.failures import is_connection_wide
from tieout.pull.proof.compare import Proof, subject_of, tie_out, unproven
from tieout.pull.reading.windows import timed_out
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    from tieout.rest import Filter, Intacct


def conclude(
    client: Intacct,
    model: Model,
    destination: Destination,
    state: TableState,
    columns: Sequence[Column],
    *,
    where: Filter | None,
    private: bool,
    whole: bool,
) -> Proof:
    """What a pull ends with. `whole`: every row has just been read. Raises StoreError, and errors that the next table
    would meet as well."""
    try:
        return tie_out(client, model, destination, state.table, columns, where=where, private=private, whole=whole)
    except TieoutError as error:
        if is_connection_wide(error) and not timed_out(error):
            raise
        subject = subject_of(model.name, state.table)
        return Proof([unproven(subject, "rows", state.rows, f"Intacct would not count them: {error}")])
