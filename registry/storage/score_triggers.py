"""The triggers that call a patient stale in the same transaction as any change from which other scores may follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text

from registry.storage.database import Rows
from registry.storage.models import StalePatient
from registry.storage.models.base import table_of

_PREFIX = "stale__"
_SENT_OR_MOVED = (
    "(old.submitted_at IS NULL) <> (new.submitted_at IS NULL)"
    " OR old.follow_up_id <> new.follow_up_id OR old.patient_id <> new.patient_id"
)


@dataclass(frozen=True)
class _Watch:
    """One event of one table, when it matters, and whose patient it is."""

    table: str
    event: str
    columns: Sequence[str] = ()
    condition: str = ""
    patient: str = "{row}.patient_id, {transaction} WHERE true"
    """What follows SELECT; a row that is nobody's gives none, for no trigger may refuse a change."""

    @property
    def name(self) -> str:
        """What the trigger is called."""
        return f"{_PREFIX}{self.table}__{self.event.lower()}"

    @property
    def head(self) -> str:
        """After which statements it runs."""
        columns = f" OF {', '.join(self.columns)}" if self.columns else ""
        when = f" WHEN ({self.condition})" if self.condition else ""
        return f"{self.name} AFTER {self.event}{columns} ON {self.table} FOR EACH ROW{when}"

    def statements(self, transaction: str) -> str:
        """Call the patient of the row stale, and the one of the row as it was."""
        rows = {"INSERT": ("new",), "UPDATE": ("old", "new"), "DELETE": ("old",)}[self.event]
        found = (self.patient.format(row=row, transaction=transaction) for row in rows)
        into = "INSERT INTO stale_patient (patient_id, changed_in)"
        # Not INSERT OR IGNORE: SQLite would let the policy of the outer statement take its place.
        return " ".join(f"{into} SELECT {one} ON CONFLICT DO NOTHING;" for one in found)


_OF_FORM = "patient_id, {transaction} FROM assessment WHERE id = {row}.assessment_id"

# An assessment without answers gives no score: its answers come after it, and are gone before it is deleted.
_WATCHES = (
    _Watch("answer", "INSERT", (), "new.score IS NOT NULL AND new.superseded_at IS NULL", _OF_FORM),
    _Watch("answer", "UPDATE", ("assessment_id", "item", "score", "answered_on", "superseded_at"), "", _OF_FORM),
    _Watch("answer", "DELETE", (), "old.superseded_at IS NULL", _OF_FORM),
    _Watch("assessment", "UPDATE", ("follow_up_id", "patient_id", "submitted_at"), _SENT_OR_MOVED),
    _Watch("operation", "INSERT", (), "new.state = 'performed'"),
    _Watch("operation", "UPDATE", ("patient_id", "state", "operated_on")),
    _Watch("operation", "DELETE"),
    _Watch("follow_up", "INSERT"),
    _Watch("follow_up", "UPDATE", ("patient_id", "operation_id", "timepoint", "opens_on", "closes_on")),
    _Watch("follow_up", "DELETE"),
    _Watch("classification", "INSERT"),
    _Watch("classification", "UPDATE", ("patient_id", "grouping_code", "group_code", "superseded_at")),
    _Watch("classification", "DELETE"),
    _Watch("patient", "UPDATE", ("site_id",), "old.site_id <> new.site_id", "{row}.id, {transaction} WHERE true"),
)
_CATALOGUE = {
    "sqlite": "SELECT name, tbl_name AS of_table FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname AS name, relname AS of_table FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE NOT tgisinternal AND tgenabled <> 'D' AND pg_table_is_visible(tgrelid)",
}


def missing_triggers(rows: Rows) -> list[str]:
    """The triggers that are not there, by name."""
    found = _standing(rows)
    return [watch.name for watch in _WATCHES if watch.name not in found]


def ensure_triggers(connection: Connection) -> None:
    """Make the triggers that are not there; nobody has watched meanwhile, so every patient is stale.

    Without the table that they write into there is nothing to do: the schema is an earlier one.
    """
    missing = missing_triggers(connection)
    if not missing or not inspect(connection).has_table(table_of(StalePatient).name):
        return
    for watch in _WATCHES:
        if watch.name in missing:
            _make(connection, watch)
    call_all_stale(connection)


def call_all_stale(connection: Connection) -> None:
    """Every patient is to be looked at anew."""
    everybody = "INSERT INTO stale_patient (patient_id, changed_in) SELECT id, 0 FROM patient WHERE true"
    connection.execute(text(f"{everybody} ON CONFLICT DO NOTHING"))


def drop_triggers(connection: Connection) -> None:
    """Remove every one, also those of another version, so that the table that they write into can go."""
    for name, table in _standing(connection).items():
        if name.startswith(_PREFIX):
            connection.execute(
                text(f"DROP TRIGGER {name}" if is_sqlite(connection) else f"DROP TRIGGER {name} ON {table}")
            )
            if not is_sqlite(connection):
                connection.execute(text(f"DROP FUNCTION {name}()"))


def _standing(rows: Rows) -> Mapping[str, str]:
    """The triggers that are there, each with its table."""
    dialect = (rows if isinstance(rows, Connection) else rows.connection()).dialect.name
    return {row.name: row.of_table for row in rows.execute(text(_CATALOGUE[dialect]))}


def _make(connection: Connection, watch: _Watch) -> None:
    if is_sqlite(connection):
        connection.execute(text(f"CREATE TRIGGER {watch.head} BEGIN {watch.statements('0')} END"))
        return
    body = f"BEGIN {watch.statements('txid_current()')} RETURN NULL; END"
    made = f"CREATE OR REPLACE FUNCTION {watch.name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
    # One that was switched off counts as missing, and is in the way of its successor.
    gone = f"DROP TRIGGER IF EXISTS {watch.name} ON {watch.table}"
    for statement in (made, gone, f"CREATE TRIGGER {watch.head} EXECUTE FUNCTION {watch.name}()"):
        connection.execute(text(statement))


def is_sqlite(rows: Rows) -> bool:
    """Whether the rows are in SQLite, which has one writer at a time."""
    return (rows if isinstance(rows, Connection) else rows.connection()).dialect.name == "sqlite"
