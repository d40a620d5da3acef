# SPDX-License-Identifier: Apache-2.0
"""One procctld under test: started on a socket of its own, audited, ended by its pid."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import uuid

import procfs
import wire


def binary():
    """The server to test: $PROCCTLD, else the one on PATH."""
    found = os.environ.get("PROCCTLD") or shutil.which("procctld")
    if not found:
        raise RuntimeError("no procctld: set PROCCTLD or put it on PATH")
    return os.path.abspath(found)


def short_directory():
    """A new directory of ours, 0700, with a name short enough for sun_path."""
    base = tempfile.gettempdir()
    return pathlib.Path(tempfile.mkdtemp(prefix="pc-", dir=base if len(base) < 40 else "/tmp"))


def become(user):
    """Gives up root's rights for a user's."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


class Server:
    """A running server. `mark` is in the environment of everything it starts, so that nothing can hide."""

    def __init__(self, arguments=(), environment=None, prefix=(), preexec=None, descriptors=(), user=None):
        """`user`: the uid and gid of a server without root's rights, from a test that has them."""
        self.directory = short_directory()
        program = binary()
        if user is not None:
            # Which may not be able to enter the directory that the build is in.
            program = shutil.copy(program, self.directory / "procctld")
            os.chown(self.directory, user, user)
        self.socket = str(self.directory / "s")
        self.mark = "PROCCTL_TEST_MARK=%s" % uuid.uuid4().hex
        self.environment = {k: v for k, v in os.environ.items() if k not in ("PROCCTL_SOCKET", "PROCCTL_PROCESS")}
        # Only directories this user can search: one that is closed would rightly turn ENOENT into EACCES.
        self.environment["PATH"] = ":".join(
            directory for directory in os.environ["PATH"].split(":") if os.access(directory, os.X_OK)
        )
        self.environment.update(environment or {})
        name, _, value = self.mark.partition("=")
        self.environment[name] = value
        self.log_path = self.directory / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, program, "--socket", self.socket, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=preexec if user is None else lambda: become(user),
                pass_fds=descriptors,
                cwd=self.directory,
            )
        self.pid = self.process.pid
        wire.wait_until(self._listens, what="the server to listen")
        self.baseline = None

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError("procctld ended with %s: %s" % (self.process.returncode, self.log()))
        try:
            self.connect().close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def log(self):
        return self.log_path.read_text(errors="replace")

    def connect(self, framing="lines"):
        return wire.Client(self.socket, framing)

    def open_descriptors(self):
        """{number: target}, without those of empty cgroups the server keeps for the next process: a bounded store."""
        found = procfs.descriptors(self.pid)
        kept = {number: target for number, target in found.items() if "/procctl-" in target and "/tree-" in target}
        assert len(kept) <= 256, "the store of cgroups is not bounded: %r" % kept
        return {number: target for number, target in found.items() if number not in kept}

    def warm_up(self):
        """One process and one connection come and go; the descriptors open after that are the base line."""
        with self.connect() as client:
            record = client.request("spawn", {"argv": ["true"]})
            client.request("wait", {"processes": [record["id"]], "until": "drained"})
            client.request("release", {"processes": [record["id"]]})
        with self.connect() as client:
            wire.wait_until(lambda: client.request("info")["counts"]["connections"] == 1)
            self.baseline = self.open_descriptors()
        # Less our own connection: the last socket among them.
        del self.baseline[max(n for n, target in self.baseline.items() if target.startswith("socket:"))]
        return self

    def audit(self):
        """Nothing may be left: processes, zombies, descriptors, threads. Raises AssertionError with what is."""
        assert self.process.poll() is None, "the server died (%s):\n%s" % (self.process.returncode, self.log())
        with self.connect() as client:
            client.request("kill", {"processes": "all", "signal": "KILL", "wait": True, "timeout_ms": 20000})
            client.request("wait", {"processes": "all", "until": "exited", "timeout_ms": 20000})
            client.request("release", {"processes": "all"})
            left = client.request("list", {})["processes"]
            assert not left, "processes the server still lists: %r" % left
        self._until(
            lambda: not procfs.children(self.pid),
            lambda: "children: %r" % [(pid, procfs.stat(pid)) for pid in procfs.children(self.pid)],
        )
        self._until(lambda: not self.leftovers(), lambda: "left behind: %r" % self.leftovers())
        self._until(lambda: procfs.threads(self.pid) == 1, lambda: "%d threads" % procfs.threads(self.pid))
        if self.baseline is not None:
            self._until(
                lambda: len(self.open_descriptors()) <= len(self.baseline),
                lambda: "%d descriptors, %d at first; more: %r"
                % (len(self.open_descriptors()), len(self.baseline), self._more_descriptors()),
            )

    def _more_descriptors(self):
        return {n: target for n, target in self.open_descriptors().items() if self.baseline.get(n) != target}

    def _until(self, condition, explain):
        try:
            wire.wait_until(condition, timeout=15)
        except AssertionError:
            raise AssertionError("%s\nserver log:\n%s" % (explain(), self.log()[-2000:])) from None

    def leftovers(self):
        return [pid for pid in procfs.marked(self.mark) if pid != self.pid]

    def end(self, number=signal.SIGTERM):
        """End the server by its pid, and whatever it left, by theirs."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
        for pid in self.leftovers():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.directory, ignore_errors=True)
        return self.process.returncode


class Started:
    """A server started with a command line of the test's own, ended by its pid."""

    def __init__(self, arguments, socket_path, environment=None, cwd=None, **options):
        env = {k: v for k, v in os.environ.items() if k not in ("PROCCTL_SOCKET", "XDG_RUNTIME_DIR")}
        env.update(environment or {})
        self.socket_path = str(socket_path)
        self.process = subprocess.Popen(
            [*map(str, arguments)],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )

    def __enter__(self):
        wire.wait_until(self.listens, what="the server to listen on %s" % self.socket_path)
        return self

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError(self.process.stdout.read())
        try:
            wire.Client(self.socket_path).close()
            return True
        except OSError:
            return False

    def connect(self):
        return wire.Client(self.socket_path)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self.process.stdout.close()


def server_command(*arguments):
    return [binary(), *arguments]
