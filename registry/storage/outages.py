"""A database that cannot be had just now: what its driver raises then, and what of that passes."""

import sqlite3

from sqlalchemy.exc import InternalError, OperationalError, TimeoutError

DatabaseAway = OperationalError | InternalError | TimeoutError
"""What is raised when a database cannot be had: it refuses, or no connection to it becomes free."""

# SQLite calls a missing table operational too, which no waiting brings back.
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
_PRIMARY_CODE = 0xFF
# What PostgreSQL says after a fail-over, or when a managed server's disk is full.
_READ_ONLY = "25006"


def may_pass(error: DatabaseAway) -> bool:
    """Whether the same request may succeed later: a lock, a lost connection, a full disk."""
    if isinstance(error, InternalError):
        return getattr(error.orig, "sqlstate", None) == _READ_ONLY
    if isinstance(error, TimeoutError) or not isinstance(error.orig, sqlite3.Error):
        return True
    return error.orig.sqlite_errorcode & _PRIMARY_CODE in _PASSING
