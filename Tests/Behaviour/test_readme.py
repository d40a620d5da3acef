# SPDX-License-Identifier: Apache-2.0
"""README.md: the requests and replies it shows are what a fresh server takes and gives, and its tables name what there is."""

import json
import os
import pathlib
import re
import subprocess
import sys

import openrpc
import serverproc
from test_schema import still

README = (pathlib.Path(openrpc.PATH).parent.parent / "README.md").read_text(encoding="utf-8")
ELSE = "…"  # stands for members left out


def messages():
    """(arrow, message) for each → and ← of the README; `…` in an object becomes a member of that name."""
    for block in re.findall(r"^```rpc\n(.*?)^```", README, re.M | re.S):
        for line in re.sub(r"\n  ", " ", block).splitlines():
            text = re.sub(r", …(?=[}\]])", ', "…": 0', line[1:])
            yield line[0], json.loads(text)


def told(shown, actual, place="reply"):
    """Fails unless `actual` is what is shown; where something is left out there may be more."""
    if isinstance(shown, dict):
        assert isinstance(actual, dict), place
        open_ended = ELSE in shown
        names = set(shown) - {ELSE}
        assert names <= set(actual) if open_ended else names == set(actual), "%s: %s" % (place, sorted(names ^ set(actual)))
        for name in names:
            told(shown[name], actual[name], "%s.%s" % (place, name))
    elif isinstance(shown, list):
        assert len(shown) == len(actual), place
        for index, (expected, found) in enumerate(zip(shown, actual)):
            told(expected, found, "%s[%d]" % (place, index))
    elif shown != ELSE:
        assert shown == actual, place


def test_the_messages_it_shows():
    server = serverproc.Server()
    try:
        client = server.connect()
        for arrow, message in messages():
            if arrow == "→":
                client.send(message)
            else:
                came = client.receive()
                assert message.get("method") == came.get("method"), came
                told(still(message), still(came), "reply %s" % message.get("id", message.get("method")))
        assert server.process.wait(20) == 0, "the last message ends the server"
    finally:
        server.end()


def test_every_method_is_shown():
    sent = {message["method"] for arrow, message in messages() if arrow == "→"}
    assert sent == set(openrpc.METHODS)


def test_its_error_table_is_the_schema():
    rows = {kind: int(code) for code, kind in re.findall(r"^\| (-?\d+) \| `(\w+)` \|", README, re.M)}
    assert rows == {error["data"]["kind"]: error["code"] for error in openrpc.COMPONENTS["errors"].values()}
    stages = openrpc.COMPONENTS["schemas"]["ErrorData"]["properties"]["stage"]["enum"]
    listed = re.search(r"Stages of a start, in order: (.*?)\. A start", README, re.S).group(1)
    assert re.findall(r"`(\w+)`", listed) == stages


def test_its_parameter_table_is_the_schema():
    table = README.split("The parameters:", 1)[1].split("###", 1)[0]
    listed = re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `")))
    assert sorted(listed) == sorted(parameter["name"] for parameter in openrpc.METHODS["spawn"]["params"])


def test_its_python_does_what_its_comments_say(server):
    block = next(block for block in re.findall(r"^```python\n(.*?)^```", README, re.M | re.S) if "connect()" in block)
    source = openrpc.PATH.parent.parent / "clients" / "python" / "src"
    done = subprocess.run(
        [sys.executable, "-c", block], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60,
        env={**os.environ, "PROCCTL_SOCKET": server.socket, "PYTHONPATH": str(source)})
    shown = [line.rpartition("  # ")[2] for line in block.splitlines() if "print(" in line]
    assert done.stdout.decode("utf-8").splitlines() == shown
