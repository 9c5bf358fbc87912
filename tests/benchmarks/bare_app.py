"""The limit: Flask and a driver with nothing else, one durable insert for each POST."""

import os
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from threading import Lock, local
from typing import Any

import psycopg
from flask import Flask, redirect, render_template, request
from jinja2 import DictLoader

_PAGE = """<!doctype html><html lang="en"><title>Question</title><form method="post">
<label>Score <input name="vas_low_back" value="{{ value }}"></label><button>Continue</button></form></html>"""

_URL = os.environ["BARE_DATABASE"]
_IS_POSTGRESQL = _URL.startswith("postgresql:")
_TABLE = "CREATE TABLE IF NOT EXISTS answer (id {key}, form TEXT, score INTEGER)"
_INDEX = "CREATE INDEX IF NOT EXISTS ix ON answer (form, id)"
_LAST = "SELECT score FROM answer WHERE form = ? ORDER BY id DESC LIMIT 1"
_INSERT = "INSERT INTO answer (form, score) VALUES (?, ?)"

app = Flask(__name__)
# Compiled once, as a file would be.
app.jinja_loader = DictLoader({"question.html": _PAGE})
_held = local()
_write: AbstractContextManager[Any] = nullcontext() if _IS_POSTGRESQL else Lock()


def _connection() -> Any:
    if not hasattr(_held, "connection"):
        _held.connection = psycopg.connect(_URL, autocommit=True) if _IS_POSTGRESQL else _sqlite()
    return _held.connection


def _sqlite() -> sqlite3.Connection:
    connection = sqlite3.connect(_URL, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _run(statement: str, values: tuple[object, ...] = ()) -> Any:
    return _connection().execute(statement.replace("?", "%s") if _IS_POSTGRESQL else statement, values)


@app.get("/form/<public_id>/q/1")
def show(public_id: str) -> str:
    """The form with the last answer."""
    row = _run(_LAST, (public_id,)).fetchone()
    return render_template("question.html", value=row[0] if row else "")


@app.post("/form/<public_id>/q/1")
def save(public_id: str) -> object:
    """One answer, durable when the reply goes out."""
    with _write:
        _run(_INSERT, (public_id, int(request.form["vas_low_back"])))
    return redirect(request.path, code=303)


_run(_TABLE.format(key="SERIAL PRIMARY KEY" if _IS_POSTGRESQL else "INTEGER PRIMARY KEY"))
_run(_INDEX)
