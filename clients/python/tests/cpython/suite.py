# SPDX-License-Identifier: Apache-2.0
"""CPython's own tests of ``subprocess``, run by the interpreter they came with: with the standard module ("native"), or
with ours in its place ("drop-in").

Writes what became of each test, and how many programs were started meanwhile: by this process itself, and by the
server.

usage: suite.py native|drop-in REPORT
"""

import json
import os
import resource
import sys
import tempfile
import unittest
from typing import Any, Callable, Dict, List, Optional

DESCRIPTORS = 1024
"""The tests that look for leaks use up all there are."""


class Starts:
    """Counts the starts that this process makes itself."""

    def __init__(self) -> None:
        self.count = 0

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.count += 1
            return result

        return count

    def watch(self) -> None:
        """From now on."""
        import _posixsubprocess
        import subprocess

        count = self.counted(_posixsubprocess.fork_exec)
        _posixsubprocess.fork_exec = count
        if hasattr(subprocess, "_fork_exec"):
            subprocess._fork_exec = count
        os.posix_spawn = self.counted(os.posix_spawn)


class ServersStarts:
    """What the server has started, told from the ids it gives: each attempt takes the next."""

    def __init__(self) -> None:
        import procctl

        self._client = procctl.connect(autostart=False)
        self._asked = 0

    def count(self) -> int:
        process = self._client.spawn(["true"], stdout="null", stderr="null")
        process.wait()
        process.release()
        self._asked += 1
        return process.id - self._asked


class Result(unittest.TextTestResult):
    """Remembers each test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tests: Dict[str, Dict[str, Any]] = {}
        self.own = Starts()
        self.servers: Optional[ServersStarts] = None
        self._before = (0, 0)

    def _counts(self) -> "tuple[int, int]":
        return self.own.count, self.servers.count() if self.servers else 0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._note(test, "passed")
        self._before = self._counts()

    def stopTest(self, test: unittest.TestCase) -> None:
        own, servers = self._counts()
        self.tests[test.id()].update(own=own - self._before[0], servers=servers - self._before[1])
        super().stopTest(test)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._note(test, "failed", self._exc_info_to_string(err, test))

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._note(test, "failed", self._exc_info_to_string(err, test))

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failed", self._exc_info_to_string(err, subtest))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def _note(self, test: unittest.TestCase, outcome: str, why: str = "") -> None:
        self.tests[test.id()] = {"outcome": outcome, "why": why, "own": 0, "servers": 0}


def main(mode: str, report: str, names: List[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))
    if mode == "drop-in":
        import procctl.subprocess

        sys.modules["subprocess"] = procctl.subprocess
    from test import test_subprocess

    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        suite = unittest.defaultTestLoader.loadTestsFromModule(test_subprocess)
        if names:
            suite = unittest.TestSuite(each for each in flat(suite) if any(name in each.id() for name in names))
        result = Result(unittest.runner._WritelnDecorator(sys.stderr), True, 2)
        if mode == "drop-in":
            result.servers = ServersStarts()
        result.own.watch()
        test_subprocess.setUpModule() if hasattr(test_subprocess, "setUpModule") else None
        suite.run(result)
        os.chdir("/")
    with open(report, "w", encoding="utf-8") as file:
        json.dump(result.tests, file)


def flat(suite: Any) -> List[unittest.TestCase]:
    """The tests of a suite."""
    return [test for each in suite for test in (flat(each) if isinstance(each, unittest.TestSuite) else [each])]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
