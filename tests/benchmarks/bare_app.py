"""The limit: Flask and sqlite3 with nothing else, one durable insert for each POST."""

import os
import sqlite3
from threading import Lock, local

from flask import Flask, redirect, render_template_string, request

_PAGE = """<!doctype html><html lang="en"><title>Question</title><form method="post">
<label>Score <input name="vas_low_back" value="{{ value }}"></label><button>Continue</button></form></html>"""

app = Flask(__name__)
_held = local()
_write = Lock()


def _connection() -> sqlite3.Connection:
    if not hasattr(_held, "connection"):
        _held.connection = sqlite3.connect(os.environ["BARE_DATABASE"], isolation_level=None)
        _held.connection.execute("PRAGMA journal_mode = WAL")
        _held.connection.execute("PRAGMA synchronous = FULL")
        _held.connection.execute("CREATE TABLE IF NOT EXISTS answer (id INTEGER PRIMARY KEY, form TEXT, score INTEGER)")
    found: sqlite3.Connection = _held.connection
    return found


@app.get("/form/<public_id>/q/1")
def show(public_id: str) -> str:
    """The form with the last answer."""
    query = "SELECT score FROM answer WHERE form = ? ORDER BY id DESC LIMIT 1"
    row = _connection().execute(query, (public_id,)).fetchone()
    return render_template_string(_PAGE, value=row[0] if row else "")


@app.post("/form/<public_id>/q/1")
def save(public_id: str) -> object:
    """One answer, durable when the reply goes out."""
    with _write:
        _connection().execute(
            "INSERT INTO answer (form, score) VALUES (?, ?)", (public_id, int(request.form["vas_low_back"]))
        )
    return redirect(request.path, code=303)


with app.app_context():
    _connection().execute("CREATE INDEX IF NOT EXISTS ix ON answer (form, id)")
