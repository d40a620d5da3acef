# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the zoo of misbehaving children, a server for many small tests, fresh servers for rough ones."""

import atexit
import contextlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile

import hypothesis
import injection
import pytest
import serverproc
import wire
from support import FUSE, install, leased

ZOO = pathlib.Path(__file__).resolve().parent.parent / "Zoo"

# A thousand connections of our own need more than the usual soft limit.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(_soft, min(_hard, 4096)) if _hard > 0 else 4096, _hard))

# What hypothesis stores goes with the run, not into the repository.
_stored = tempfile.mkdtemp(prefix="hypothesis-")
atexit.register(shutil.rmtree, _stored, ignore_errors=True)
hypothesis.configuration.set_hypothesis_home_dir(_stored)

# Real processes take real time: no deadline per example. The same examples on every run: a failure can be repeated.
hypothesis.settings.register_profile(
    "behaviour",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("behaviour")


@pytest.fixture(scope="session")
def zoo():
    """zoo(name): the path of a compiled child; in a directory every user can enter."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="zoo-"))
    directory.chmod(0o755)

    def program(name):
        target = directory / name
        if not target.exists():
            compiler = os.environ.get("CC", "cc")
            subprocess.run(
                [compiler, "-std=gnu17", "-O1", "-Wall", "-Wextra", "-pthread", "-o", str(target), str(ZOO / (name + ".c"))],
                check=True,
            )
        return str(target)

    yield program
    shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def engine_program(name, *sources):
    directory = pathlib.Path(tempfile.mkdtemp(prefix=name + "-"))
    directory.chmod(0o755)
    injection.compile_with_engine(str(directory / name), *sources)
    yield str(directory / name)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def injector_program():
    with engine_program("injector", "inject*.c") as program:
        yield program


@pytest.fixture(scope="session")
def launcher():
    with engine_program("launcher", "launch*.c", "ancillary.c") as program:
        yield program


@pytest.fixture
def injector(injector_program):
    """A parent of victims (injection.py); audited at its end."""
    parent = injection.Injector(injector_program)
    yield parent
    parent.close()


class Shared:
    """The session's server; replaced by a new one once it died or failed an audit, so that one fault fails one test."""

    def __init__(self):
        self.server = None

    def take(self):
        if self.server is None:
            self.server = serverproc.Server().warm_up()
        return self.server

    def drop(self):
        if self.server is not None:
            self.server.end()
            self.server = None


@pytest.fixture(scope="session")
def shared():
    holder = Shared()
    yield holder
    holder.drop()


@pytest.fixture
def server(shared):
    """The session's server, audited after the test."""
    yield shared.take()
    try:
        shared.server.audit()
    except BaseException:
        shared.drop()
        raise


@pytest.fixture
def connect(server):
    """connect(framing="lines"): a new connection to the session's server, closed after the test."""
    clients = []

    def make(framing="lines"):
        clients.append(server.connect(framing))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    """One connection to the session's server."""
    return connect()


@pytest.fixture
def fresh():
    """fresh(...): a server of the test's own (arguments of serverproc.Server); audited at the end when still alive."""
    servers = []

    def make(**options):
        servers.append(serverproc.Server(**options).warm_up())
        return servers[-1]

    yield make
    try:
        for server in servers:
            if server.process.poll() is None:
                server.audit()
    finally:
        for server in servers:
            server.end()


@pytest.fixture
def room():
    """A directory of the test's own that every user can enter."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="room-"))
    directory.chmod(0o755)
    yield directory
    subprocess.run(["chmod", "-R", "u+rwx", str(directory)], check=False)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def place():
    """A directory of ours, 0700, short enough for a socket path."""
    directory = serverproc.short_directory()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def dead_mount(fresh, zoo, room):
    """(server, directory that it sees as one of a dead file server, function that has all requests to that fail)."""
    (room / "mount").mkdir()
    pid_file = room / "pid"
    server = fresh(prefix=[zoo("hungfs"), str(room / "mount"), str(pid_file), "--"])
    pid = int(wire.wait_until(lambda: pid_file.exists() and pid_file.read_text()))
    try:
        yield server, str(room / "mount"), lambda: os.kill(pid, signal.SIGUSR1)
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def dead(fresh, zoo, room):
    if not FUSE:
        pytest.skip("no /dev/fuse")
    with dead_mount(fresh, zoo, room) as found:
        yield found


@pytest.fixture(params=["lease"] + (["fuse"] if FUSE else []))
def hanging(request, fresh, zoo, room):
    """(server, path of a program whose execve hangs, function that lets it go on). FUSE needs the device."""
    with contextlib.ExitStack() as stack:
        if request.param == "lease":
            name = install(zoo("exits"), room, "leased")
            lease = contextlib.ExitStack()
            stack.enter_context(lease)
            lease.enter_context(leased(name))
            yield fresh(), name, lease.close
        else:
            server, mount, go_on = stack.enter_context(dead_mount(fresh, zoo, room))
            yield server, mount + "/hung", go_on
