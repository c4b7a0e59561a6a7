"""Verifies webhooks as Standard Webhooks 1.0.0 says, with nothing but the standard library.

Works for everything that Ringback delivers, in any web framework: give it the headers and the raw
body, before anything has parsed it.
"""

import base64
import binascii
import hashlib
import hmac
import time

TOLERANCE_S = 300


class Refused(Exception):
    """The request is not proven; `code` says why."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def secret_key(secret):
    """The bytes of a signing secret, with or without its prefix `whsec_`."""
    encoded = secret.strip().removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("the secret must be base64 text: copy all of it") from error
    if not key:
        raise ValueError("the secret is empty: set SECRET to the destination's, whsec_...")
    return key


def verify(headers, body, keys, now=None):
    """Gives the id of the event, or raises Refused.

    headers: a mapping that answers `get(name)`, in lower case or regardless of case.
    body: the raw bytes.
    keys: of `secret_key`; during a rotation the current and the previous one.
    """
    event_id = headers.get("webhook-id")
    timestamp = headers.get("webhook-timestamp")
    signatures = headers.get("webhook-signature")
    if not (event_id and timestamp and signatures):
        raise Refused("signature_missing")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Refused("signature_mismatch")
    # A request that was recorded must not work for ever.
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_S:
        raise Refused("timestamp_out_of_tolerance")
    signed = f"{event_id}.{timestamp}.".encode() + body
    expected = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    # Several signatures, separated by spaces, while a secret is being rotated: one must fit.
    given = [_decoded(text[3:]) for text in signatures.split(" ") if text.startswith("v1,")]
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    if not any(matches):
        raise Refused("signature_mismatch")
    return event_id


def _decoded(text):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
