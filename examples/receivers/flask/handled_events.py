"""Remembers which events were handled, in a SQLite file that several processes may share."""

import sqlite3
import time
import uuid

SCHEMA = """
CREATE TABLE IF NOT EXISTS handled_events (
  id TEXT PRIMARY KEY,
  token TEXT,             -- of whoever is at it; NULL when it is done
  until_s REAL NOT NULL   -- when the lease ends, or when it may be forgotten
)
"""
LEASE_S = 60
KEEP_S = 7 * 24 * 3600


class HandledEvents:
    """A claim is a lease: of a process that died it ends by itself, and the next attempt goes on."""

    def __init__(self, path):
        self.path = path
        self._run(SCHEMA)

    def claim(self, event_id):
        """A token when the event is ours to handle, "done" when it was handled, None when somebody is at it."""
        now = time.time()
        token = str(uuid.uuid4())
        taken = self._run(
            "INSERT INTO handled_events (id, token, until_s) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET token = excluded.token, until_s = excluded.until_s"
            " WHERE handled_events.until_s <= ?",
            (event_id, token, now + LEASE_S, now),
        )
        if taken == 1:
            return token
        return "done" if self._is_done(event_id) else None

    def complete(self, event_id, token):
        self._run(
            "UPDATE handled_events SET token = NULL, until_s = ? WHERE id = ? AND token = ?",
            (time.time() + KEEP_S, event_id, token),
        )

    def release(self, event_id, token):
        self._run("DELETE FROM handled_events WHERE id = ? AND token = ?", (event_id, token))

    def _is_done(self, event_id):
        database = self._open()
        try:
            row = database.execute("SELECT token FROM handled_events WHERE id = ?", (event_id,)).fetchone()
        finally:
            database.close()
        return row is not None and row[0] is None

    def _run(self, statement, values=()):
        database = self._open()
        try:
            with database:
                return database.execute(statement, values).rowcount
        finally:
            database.close()

    def _open(self):
        # One connection for each use: Flask serves requests from several threads.
        return sqlite3.connect(self.path, timeout=5)
