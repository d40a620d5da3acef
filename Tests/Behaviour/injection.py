# SPDX-License-Identifier: Apache-2.0
"""The injector (Tests/Zoo/injector.c) in Python: a parent of victims that replaces their programs, seen from close by."""

import collections
import errno
import hashlib
import os
import pathlib
import re
import select
import signal
import subprocess
import time

import procfs

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
KERNEL = REPOSITORY / "Sources" / "CKernel"

RESULTS = ["running", "replaced", "refused", "failed", "lost", "ended"]
STAGES = ["attach", "stop", "credentials", "memory", "cwd", "fds", "exec", "signals"]
REFUSALS = [
    None,
    "traced",
    "vfork",
    "uninterruptible",
    "frozen",
    "seccomp",
    "yama",
    "credentials",
    "not_dumpable",
    "no_permission",
    "not_supported",
    "setuid_target",
    "unreadable_target",
]

Outcome = collections.namedtuple("Outcome", "result stage error refusal index unclean microseconds")


def failed(stage, error, index=0):
    """What an outcome must be equal to, but for the time it took."""
    return ("failed", stage, error, None, index, 0)


def refused(reason):
    return ("refused", reason)


def compile_with_engine(target, *patterns):
    """Compiles the program of that name with the server's own C files."""
    sources = [str(file) for pattern in ("process.c", "image.c", *patterns) for file in KERNEL.glob(pattern)]
    own = REPOSITORY / "Tests" / "Zoo" / (pathlib.Path(target).name + ".c")
    flags = ["-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-pthread", "-I%s" % (KERNEL / "include")]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", target, str(own), *sources], check=True)


class Victim:
    """A child of the injector, with pipes as its stdin and stdout."""

    def __init__(self, injector, argv, uid=-1):
        self.injector = injector
        pid, *ends = map(int, injector.ask("spawn", uid, *argv).split())
        self.pid = pid
        # The injector may be another user's than we; its pipes are to be had all the same.
        paths = ["/proc/%d/fd/%d" % (injector.process.pid, end) for end in ends]
        self.stdin = os.open(paths[0], os.O_WRONLY)
        self.stdout = os.open(paths[1], os.O_RDONLY)
        assert injector.ask("close", *ends) == "0"
        self.output = b""
        injector.victims.append(self)

    def read_until(self, end):
        """Output up to and with `end`, which must come; b"" is the end of the stream. Returns all so far."""
        while not (end and end in self.output):
            assert select.select([self.stdout], [], [], 20)[0], "nothing comes: %r" % self.output
            piece = os.read(self.stdout, 65536)
            if not piece:
                assert not end, "it ended after %r" % self.output
                return self.output
            self.output += piece
        return self.output

    def say(self, data):
        os.write(self.stdin, data)

    def close_stdin(self):
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1

    def reap(self):
        """("code", N) or ("signal", N), when it has ended."""
        how, number = self.injector.ask("reap", self.pid).split()
        self.injector.victims.remove(self)
        return how, int(number)

    def is_settled(self):
        """Whether it sits in a system call that lasts (or works, or is stopped): where it is to be found by a tracer."""
        return procfs.stat(self.pid)["state"] in "ST"

    def close(self):
        self.close_stdin()
        if self.stdout >= 0:
            os.close(self.stdout)
            self.stdout = -1

    def snapshot(self):
        """All its memory and mappings, and the call it is in."""
        maps = pathlib.Path("/proc/%d/maps" % self.pid).read_text()
        digest = hashlib.sha256(maps.encode())
        with open("/proc/%d/mem" % self.pid, "rb", 0) as memory:
            for line in maps.splitlines():
                found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r..p .*", line)
                if not found or "[v" in line:
                    continue
                low, high = (int(number, 16) for number in found.groups())
                memory.seek(low)
                digest.update(memory.read(high - low))
        return digest.hexdigest()

    def call(self):
        """(number, arguments, sp, pc) of the call it is blocked in, or None while it runs."""
        words = pathlib.Path("/proc/%d/syscall" % self.pid).read_text().split()
        return None if words[0] == "running" else (int(words[0]), words[1:7], words[-2], words[-1])


class Injector:
    def __init__(self, program, prefix=(), **options):
        # Without rseq(2), where the kernel writes the number of the processor at will: memory is compared.
        env = dict(os.environ, GLIBC_TUNABLES="glibc.pthread.rseq=0")
        self.process = subprocess.Popen(
            [*prefix, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, **options
        )
        self.victims = []

    def ask(self, *words):
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the injector has ended"
        return answer.strip()

    def spawn(self, *argv, uid=-1, until=b"ready\n"):
        victim = Victim(self, argv, uid)
        if until:
            victim.read_until(until)
            victim.output = b""
        return victim

    def begin(self, victim, argv, file=None, env=("FOO=bar", "PATH=/usr/bin:/bin"), **options):
        candidates = [file or argv[0]] if isinstance(file or argv[0], str) else file
        words = ["%s=%s" % pair for pair in options.items()]
        return self.ask("begin", victim.pid, *words, "--", *candidates, "--", *argv, "--", *env)

    def end(self, number):
        result, stage, error, refusal, index, unclean, microseconds = map(int, self.ask("end", number).split())
        return Outcome(RESULTS[result], STAGES[stage], error, REFUSALS[refusal], index, unclean, microseconds)

    def inject(self, victim, argv, file=None, **options):
        return self.end(self.begin(victim, argv, file, **options))

    def fails(self, victim, argv=("new",), file="/no/such/program", **options):
        """A replacement that must fail or be refused; (result, stage, …) without the time."""
        return tuple(self.inject(victim, argv, file, **options))[:-1]

    def refuses(self, victim, *argv, **options):
        outcome = self.inject(victim, argv or ("/bin/true",), **options)
        return outcome.result, outcome.refusal

    def threads(self):
        return int(self.ask("threads"))

    def close(self):
        """Ends all; nothing may be left."""
        for victim in list(self.victims):
            try:
                os.kill(victim.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            victim.reap()
            victim.close()
        threads = self.threads()
        children = procfs.children(self.process.pid)
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.process.stdout.close()
        assert threads == 1 and children == []


def eventually(condition):
    """Looks until the condition holds; fails after 20 s."""
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit, "it does not come to that"
        time.sleep(0.002)


def settled(victim):
    eventually(victim.is_settled)
    return victim


def errno_of(line):
    """(result, errno) of a victim's Good Bye."""
    found = re.fullmatch(rb"Good Bye \S+ (-?\d+) (\d+)\n", line)
    assert found, line
    return int(found.group(1)), errno.errorcode.get(int(found.group(2)), "OK")


def elf32(code):
    """A program of these bytes, for a machine that need not have a 32-bit compiler. elf(5)."""
    base, size = 0x08048000, 84 + len(code)
    header = b"\x7fELF\x01\x01\x01" + bytes(9)
    fields = "2:2 3:2 1:4 %d:4 52:4 0:4 0:4 52:2 32:2 1:2 0:2 0:2 0:2" % (base + 84)
    fields += " 1:4 0:4 %d:4 %d:4 %d:4 %d:4 7:4 4096:4" % (base, base, size, size)
    for field in fields.split():
        value, width = map(int, field.split(":"))
        header += value.to_bytes(width, "little")
    return header + code


# call over the text; write(1, text, 6); read(0, esp, 1); exit(5)
I386 = elf32(
    bytes.fromhex("e806000000") + b"ready\n" + bytes.fromhex("59b804000000bb01000000ba06000000cd80")
    + bytes.fromhex("b80300000031db89e1ba01000000cd80b801000000bb05000000cd80")
)  # fmt: skip
