# SPDX-License-Identifier: Apache-2.0
"""The shape of the record as JSON Schema: every member always present, null where unknown, nothing else."""

INTEGER = {"type": "integer"}
NULLABLE = {"type": ["integer", "null"]}
BYTES = {
    "oneOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"base64": {"type": "string"}},
            "required": ["base64"],
            "additionalProperties": False,
        },
    ]
}


def closed(**properties):
    """An object with exactly these members."""
    return {"type": "object", "properties": properties, "required": sorted(properties), "additionalProperties": False}


def or_null(schema):
    return {"oneOf": [{"type": "null"}, schema]}


def constant(value):
    return {"const": value}


BOOLEAN = {"type": "boolean"}
KIND_ONLY = closed(kind={"enum": ["null", "file", "descriptor", "stdout", "terminal"]})
STREAM = {"oneOf": [KIND_ONLY, closed(kind=constant("pipe"), start=INTEGER, end=INTEGER, open=BOOLEAN)]}
# What can be written to; beside a pty that is the terminal, whatever stdin itself is.
INPUT = {
    "oneOf": [
        closed(kind={"enum": ["null", "file", "descriptor"]}),
        closed(
            kind={"enum": ["pipe", "terminal", "null", "file", "descriptor"]},
            accepted=INTEGER,
            written=INTEGER,
            closed=BOOLEAN,
        ),
    ]
}
TERMINAL = closed(kind=constant("pty"), start=INTEGER, end=INTEGER, open=BOOLEAN, rows=INTEGER, cols=INTEGER)
EXIT = {
    "oneOf": [closed(code=INTEGER), closed(signal=INTEGER, signal_name={"type": "string"}, core={"type": "boolean"})]
}
USAGE = closed(
    user_us=INTEGER,
    system_us=INTEGER,
    max_rss_kib=INTEGER,
    faults=closed(minor=INTEGER, major=INTEGER),
    switches=closed(voluntary=INTEGER, involuntary=INTEGER),
    blocks=closed(input=INTEGER, output=INTEGER),
)
REASONS = ["exited", "signalled", "killed", "deadline", "lease", "connection", "shutdown", None]
RECORD_MEMBERS = dict(
    id={"type": "integer", "minimum": 1},
    instance={"type": "string", "minLength": 1},
    name={"type": ["string", "null"]},
    state={"enum": ["held", "running", "stopped", "exited"]},
    pid={"type": "integer", "minimum": 1},
    argv={"type": "array", "items": BYTES, "minItems": 1},
    cwd=or_null(BYTES),
    labels={"type": "object", "additionalProperties": {"type": "string"}},
    owner=closed(uid=INTEGER, gid=INTEGER),
    session=NULLABLE,
    started_at=NULLABLE,
    replaced_at=NULLABLE,
    exited_at=NULLABLE,
    drained_at=NULLABLE,
    exit=or_null(EXIT),
    reason={"enum": REASONS},
    usage=or_null(USAGE),
    streams=closed(stdin=INPUT, stdout=STREAM, stderr=STREAM, terminal=or_null(TERMINAL)),
    lifetime={"oneOf": [{"enum": ["detached", "connection"]}, closed(lease_ms=INTEGER)]},
    deadline_at=NULLABLE,
    generation={"type": "integer", "minimum": 1},
    containment={"enum": ["cgroup", "descendants"]},
)
RECORD = closed(**RECORD_MEMBERS)
MEMBER = closed(pid=INTEGER, ppid=INTEGER, command=BYTES, state={"type": "string"}, cpu_us=INTEGER, rss_kib=INTEGER)
DETAILED = closed(
    members={"type": "array", "items": MEMBER},
    holders=closed(stdout={"type": "array", "items": INTEGER}, stderr={"type": "array", "items": INTEGER}),
    **RECORD_MEMBERS,
)
INFO = closed(
    name=constant("procctld"),
    version={"type": "string"},
    instance={"type": "string"},
    pid=INTEGER,
    uid=INTEGER,
    started_at=INTEGER,
    socket=or_null(BYTES),
    limits={"type": "object", "additionalProperties": INTEGER},
    kernel={
        "type": "object",
        "properties": {
            name: {"type": "boolean"}
            for name in ("clone3", "clone_into_cgroup", "cgroup_kill", "close_range_unshare", "in_place_exec")
        },
        "required": [
            "release",
            "machine",
            "clone3",
            "clone_into_cgroup",
            "cgroup_kill",
            "close_range_unshare",
            "in_place_exec",
        ],
    },
    containment={"enum": ["cgroup", "descendants"]},
    counts=closed(
        processes=INTEGER, held=INTEGER, running=INTEGER, stopped=INTEGER, exited=INTEGER, connections=INTEGER
    ),
)
