"""Statements whose words are made once: what is run most often is handed to the driver as it stands."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Insert, Select, Update
from sqlalchemy.exc import CompileError, DBAPIError
from sqlalchemy.types import TypeEngine

from registry.storage.database import Rows, drop_details

_Conversion = Callable[[Any], Any] | None


class Prepared:
    """A statement of SQLAlchemy Core for the driver itself, with Core's words, conversions and errors.

    Core makes a context and a result for each execution, which costs several times what the database takes to answer.
    """

    def __init__(self, statement: Select[Any] | Insert | Update) -> None:
        self._statement = statement
        self._words: WeakKeyDictionary[Dialect, dict[tuple[str, ...], _Words]] = WeakKeyDictionary()

    def run(self, rows: Rows, values: Mapping[str, Any]) -> None:
        """Run a statement that changes rows; a value for which it has no place is an error, and none is left out."""
        self.count(rows, values)

    def count(self, rows: Rows, values: Mapping[str, Any]) -> int:
        """Run a statement that changes rows, and say how many it has changed."""
        connection = _connection(rows)
        cursor = _execute(connection, self._words_for(values, connection.dialect), values)
        n_rows: int = cursor.rowcount
        cursor.close()
        return n_rows

    def run_each(self, rows: Rows, each: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement that changes rows once for each of some values, which all have the same names."""
        if any(values.keys() != each[0].keys() for values in each):
            raise CompileError("the values do not all have the same names")
        if each:
            connection = _connection(rows)
            _execute(connection, self._words_for(each[0], connection.dialect), *each).close()

    def all(self, rows: Rows, values: Mapping[str, Any]) -> Sequence[Any]:
        """Every row of a statement that looks, or of one that says what it has changed, its columns by name."""
        connection = _connection(rows)
        words = self._words_for(values, connection.dialect)
        return words.converted(_execute(connection, words, values).fetchall())

    def _words_for(self, values: Mapping[str, Any], dialect: Dialect) -> "_Words":
        """As Core does, by the names that are given: an insertion names the columns that it has values for."""
        names = tuple(values)
        try:
            return self._words[dialect][names]
        except KeyError:
            words = self._words.setdefault(dialect, {})[names] = _Words(self._statement, names, dialect)
            return words


class _Words:
    """A statement in the words of one kind of database."""

    def __init__(self, statement: Any, names: Sequence[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=None if isinstance(statement, Select) else names)
        self.sql: str = compiled.string
        bound = {name: parameter for parameter, name in compiled.bind_names.items()}
        if left_out := set(names) - set(bound):
            raise CompileError(f"no place in the statement for: {', '.join(sorted(left_out))}")
        self._is_positional = compiled.positional
        # What the statement itself brings; whatever else it names must be given.
        self._usual = {name: compiled.params[name] for name, parameter in bound.items() if not parameter.required}
        order: Sequence[str] = compiled.positiontup if compiled.positional else list(bound)
        self._taken = [(name, _taken_by_driver(bound[name].type, dialect)) for name in order]
        columns = tuple(statement.exported_columns)
        self._row: Any = namedtuple("_row", [column.key for column in columns], rename=True)  # type: ignore[misc]
        given = [(place, _given_by_driver(column.type, dialect)) for place, column in enumerate(columns)]
        self._given = [(place, convert) for place, convert in given if convert is not None]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """The values as the driver takes them."""
        given = {**self._usual, **values}
        if self._is_positional:
            return [convert(given[name]) if convert else given[name] for name, convert in self._taken]
        return {name: convert(given[name]) if convert else given[name] for name, convert in self._taken}

    def converted(self, found: Sequence[Sequence[Any]]) -> Sequence[Any]:
        """Rows of the driver with Python's own values."""
        rows = [list(row) for row in found]
        for row in rows:
            for place, convert in self._given:
                row[place] = convert(row[place])
        return [self._row._make(row) for row in rows]


def _connection(rows: Rows) -> Connection:
    return rows if isinstance(rows, Connection) else rows.connection()


def _execute(connection: Connection, words: _Words, *each: Mapping[str, Any]) -> Any:
    """The driver's cursor after a statement; what it raises is what SQLAlchemy would raise."""
    dialect, cursor = connection.dialect, connection.connection.cursor()
    try:
        if len(each) == 1:
            cursor.execute(words.sql, words.parameters(each[0]))
        else:
            cursor.executemany(words.sql, [words.parameters(values) for values in each])
    except dialect.loaded_dbapi.Error as error:
        is_lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
        if is_lost:
            connection.invalidate(error)
        drop_details(error)
        base = dialect.loaded_dbapi.Error
        raise DBAPIError.instance(
            words.sql, None, error, base, hide_parameters=True, connection_invalidated=is_lost, dialect=dialect
        ) from error
    return cursor


def _taken_by_driver(kind: TypeEngine[Any], dialect: Dialect) -> _Conversion:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _given_by_driver(kind: TypeEngine[Any], dialect: Dialect) -> _Conversion:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
