"""Receive Ringback's deliveries with Flask.

    pip install flask
    SECRET=whsec_... python app.py [PORT]

SECRET may hold two secrets with a space between them, while you rotate. For production, run `app`
under a WSGI server.
"""

import os
import sys

from flask import Flask, jsonify, request
from werkzeug.serving import make_server

from handled_events import HandledEvents
from webhook_signature import Refused, secret_key, verify

MAX_BODY_BYTES = 10 * 1024 * 1024

keys = [secret_key(secret) for secret in os.environ.get("SECRET", "").split()] or [secret_key("")]
handled = HandledEvents(os.environ.get("HANDLED_DB", "handled-events.db"))

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES


def on_event(event_type, event_id, body):
    """What you want done. Raise to be offered the event again."""
    print(f"handled {event_type} {event_id}", flush=True)


@app.post("/hook")
def hook():
    # The raw bytes: what request.get_json() gives is not what was signed.
    body = request.get_data(cache=False)
    try:
        event_id = verify(request.headers, body, keys)
    except Refused as refused:
        return jsonify(code=refused.code), 401
    token = handled.claim(event_id)
    if token == "done":
        return jsonify(duplicate=True)
    if token is None:
        return jsonify(code="event_in_progress"), 503, {"Retry-After": "10"}
    try:
        on_event(request.headers.get("ringback-event-type"), event_id, body)
    except Exception:
        handled.release(event_id, token)
        app.logger.exception("event %s could not be handled", event_id)
        return jsonify(code="handler_failed"), 500
    handled.complete(event_id, token)
    return "", 204


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 3000, app, threaded=True)
    print(f"listening on http://127.0.0.1:{server.port}/hook", flush=True)
    server.serve_forever()
