# SPDX-License-Identifier: Apache-2.0
"""The launcher (Tests/Zoo/launcher.c) in Python: one start, as the server makes one, seen from close by."""

import collections
import os
import subprocess

STAGES = ["none", "pipe", "clone", "cgroup", "signals", "session", "umask", "nice", "rlimits", "groups", "gid", "uid"]
STAGES += ["cwd", "stdin", "stdout", "stderr", "fds", "terminal", "no_new_privileges", "gate", "exec"]
SESSIONS = {name: number for number, name in enumerate(["new", "group", "inherit", "apart", "join"])}

#: How a start ended: failed is False when the program runs (a held one: when it waits at its gate).
Decision = collections.namedtuple("Decision", "stage error index failed pid group cgroup_refused")
Run = collections.namedtuple("Run", "decision end output")


def failed(stage, error, index=0):
    """What the beginning of a decision must be equal to."""
    return (stage, error, index, True)


def image_words(argv, file=None, env=("FOO=bar",)):
    candidates = [file or argv[0]] if isinstance(file or argv[0], str) else file
    return ["--", *candidates, "--", *argv, "--", *env]


class Launch:
    """One run of the launcher, which may be talked to while the child is held."""

    def __init__(self, program, argv, file=None, env=("FOO=bar",), descriptors=(), options=(), prefix=(), **named):
        words = [*options, *("%s=%s" % pair for pair in named.items()), *image_words(argv, file, env)]
        self.process = subprocess.Popen(
            [*prefix, program, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=descriptors,
        )
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        stage, error, index, has_failed, pid, group, refused = map(int, line.split())
        self.decision = Decision(STAGES[stage], error, index, bool(has_failed), pid, group, bool(refused))

    def order(self, *words, argv=None, file=None, env=("FOO=bar",), **named):
        """Opens the gate. (stage, error, index) when the child is still there, else None."""
        image = image_words(argv, file, env) if argv else []
        options = [*words, *("%s=%s" % pair for pair in named.items())]
        self.process.stdin.write("\t".join([*options, *image]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        assert answer, "the launcher has ended"
        return None if answer == ["gone"] else (STAGES[int(answer[0])], int(answer[1]), int(answer[2]))

    def end(self):
        """("code", N) or ("signal", N), and what the program wrote."""
        self.process.stdin.close()
        with self.process.stdout, self.process.stderr:
            output, said = self.process.stderr.read(), self.process.stdout.read()
        assert self.process.wait(60) == 0, (said, output)
        how, number = said.split()
        return (how, int(number)), output


def start(program, argv, *words, **named):
    launch = Launch(program, argv, *words, **named)
    end, output = launch.end()
    assert not os.path.exists("/proc/%d" % launch.decision.pid)
    return Run(launch.decision, end, output)
