# SPDX-License-Identifier: Apache-2.0
"""What subscribers do: subscribe, take notifications until something is told, put the bytes together."""

import base64
import hashlib
import json

import openrpc
import wire


def subscribe(client, processes, **params):
    """Subscribe; returns the id of the subscription."""
    return client.request("subscribe", dict(params, processes=processes))["subscription"]


def told(client, last, timeout=wire.PATIENCE):
    """[(name, params), ...] up to the first that `last` (a name, or a condition on both) is true of.

    Each is what the schema says a notification is.
    """
    is_last = last if callable(last) else lambda name, params: name == last
    notes = []
    while True:
        name, params = client.notification(timeout)
        openrpc.check_notification(name, params)
        notes.append((name, params))
        if is_last(name, params):
            return notes


def names(notes):
    """Their names, runs of output as one."""
    found = []
    for name, _ in notes:
        if name != "output" or found[-1:] != ["output"]:
            found.append(name)
    return found


def told_bytes(notes, stream="stdout", start=0):
    """The bytes of a stream: each chunk begins where the one before it ended; a gap fails the test."""
    data = bytearray()
    for name, params in notes:
        if name not in ("output", "gap") or params["stream"] != stream:
            continue
        assert name == "output", params
        assert params["offset"] == start + len(data), params
        piece = wire.chunk_of(params)
        assert piece and len(piece) <= 65536, len(piece)
        data += piece
    return bytes(data)


class Tally:
    """What one subscriber got of one stream, added up: for volumes that are not kept."""

    def __init__(self):
        self.offset = 0  # everything before it has been told
        self.received = 0
        self.lost = 0
        self.gaps = 0
        self.hash = hashlib.sha256()
        self.ended = False
        self._rest = b""

    def take(self, message):
        name, params = message["method"], message["params"]
        if name in ("output", "gap"):
            assert params["offset"] == self.offset, (name, params["offset"], self.offset)
        if name == "gap":
            assert params["length"] > 0
            self.gaps += 1
            self.lost += params["length"]
            self.offset += params["length"]
        elif name == "output":
            text = params.get("text")
            data = base64.b64decode(params["base64"]) if text is None else text.encode("utf-8")
            self.hash.update(data)
            self.received += len(data)
            self.offset += len(data)
        elif name == "drained":
            self.ended = True

    def feed(self, data):
        """Bytes as they came from the socket."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self.take(json.loads(line))

    def drain(self, client, timeout=wire.PATIENCE):
        """Takes notifications until `drained`; returns itself."""
        while not self.ended:
            name, params = client.notification(timeout)
            self.take({"method": name, "params": params})
        return self
