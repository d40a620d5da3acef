#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs CPython's own tests of ``subprocess`` against ours, and counts.

Once with the standard module, to know which tests pass here and which of them start programs; once with ours in its
place; and once more with Python children that use ours as well. A test that applies has to pass, and to start through
the server, and only there, when it starts programs with the standard module.

usage: run.py [--all] [--only NAME]… [PYTHON…]
  PYTHON   interpreters; left out: this one
  --all    every one from 3.9 on that is found on PATH and in pyenv
  --only   only tests whose name has this in it
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from inapplicable import INAPPLICABLE, UNSENT

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent / "src"
OLDEST = (3, 9)
LONGEST = 900
"""Seconds for one run of the suite."""

MODES = (("native", False), ("drop-in", False), ("drop-in", True))
"""The runs, and whether Python children use the drop-in too."""

Tests = Dict[str, Dict[str, Any]]


def say(text: str) -> None:
    print(text, flush=True)


def version(python: str) -> Optional[List[int]]:
    """An interpreter's version, or None for what is none."""
    code = "import sys; print(*sys.version_info[:3]) if sys.implementation.name == 'cpython' else None"
    try:
        done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        return [int(part) for part in done.stdout.split()] or None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def interpreters() -> Iterator[str]:
    """Every interpreter on PATH and in pyenv, each once."""
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each and "shims" not in each]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    folders += sorted(each / "bin" for each in pyenv.glob("*"))
    seen = set()
    for folder in folders:
        try:
            names = sorted(each for each in os.listdir(folder) if re.fullmatch(r"python3(\.\d+)?", each))
        except OSError:
            continue
        for name in names:
            real = os.path.realpath(folder / name)
            if real not in seen and (version(real) or [0]) >= [*OLDEST]:
                seen.add(real)
                yield str(folder / name)


def has_tests(python: str) -> bool:
    """Whether an interpreter came with its tests."""
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('test.test_subprocess') is None)"
    return subprocess.run([python, "-c", look], stderr=subprocess.DEVNULL, timeout=60).returncode == 0


class Server:
    """A server of its own for one run."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="procctl-")
        self.path = self._directory.name + "/socket"
        program = os.environ.get("PROCCTLD") or shutil.which("procctld")
        if not program:
            raise SystemExit("no procctld to test against: set PROCCTLD, or put it on PATH")
        with open(self._directory.name + "/log", "wb") as log:
            command = [program, "--socket", self.path]
            self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not os.path.exists(self.path) and self._popen.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: Any) -> None:
        self._popen.terminate()
        self._popen.wait(60)
        self._directory.cleanup()


def suite(python: str, mode: str, only: List[str], nested: bool = False) -> Tests:
    """One run of the suite."""
    with Server() as server, tempfile.TemporaryDirectory() as work:
        report = work + "/report"
        path = [str(SOURCE), *([str(HERE / "site")] if nested else [])]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PROCCTL"))}
        environment.update(
            PYTHONPATH=os.pathsep.join(path), PYTHONDONTWRITEBYTECODE="1", PROCCTL_SOCKET=server.path,
            PROCCTL_NO_AUTOSTART="1", TMPDIR=work,
        )
        command = [python, str(HERE / "suite.py"), mode, report, *only]
        with open(work + "/log", "w+b") as log:
            try:
                subprocess.run(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=LONGEST, cwd=work
                )
            except subprocess.TimeoutExpired:
                pass
            log.seek(0)
            said = log.read().decode("utf-8", "replace")
        if not os.path.exists(report):
            say(said[-4000:])
            raise SystemExit(f"{python}: the suite did not come to its end ({mode})")
        with open(report, encoding="utf-8") as file:
            tests: Tests = json.load(file)
            return tests


def name_of(test: str) -> str:
    return test.rpartition(".")[2]


def faults(native: Tests, ours: Tests) -> Dict[str, str]:
    """What is wrong, by test."""
    found = {}
    for test, normal in native.items():
        name, result = name_of(test), ours.get(test, {"outcome": "missing", "why": ""})
        if normal["outcome"] != "passed" or name in INAPPLICABLE:
            continue
        if result["outcome"] != "passed":
            found[test] = f"{result['outcome']}\n{result['why']}"
        elif result["own"]:
            found[test] = "started a program without the server"
        elif normal["own"] and not result["servers"] and name not in UNSENT:
            found[test] = "started no program through the server"
    return found


def check(python: str, only: List[str]) -> Optional[bool]:
    """All runs with one interpreter; whether they are faultless, or None when it has no tests."""
    number = ".".join(str(part) for part in version(python) or ())
    heading = f"CPython {number} ({python})"
    if not has_tests(python):
        package = f"libpython{number.rpartition('.')[0]}-testsuite"
        say(f"{heading}: came without its tests (on Debian: apt-get install {package})")
        return None
    with ThreadPoolExecutor() as pool:
        # Side by side: most of their time they sleep.
        runs = [pool.submit(suite, python, mode, only, nested) for mode, nested in MODES]
        native, *others = (run.result() for run in runs)
    passing = [test for test in native if native[test]["outcome"] == "passed"]
    applicable = [test for test in passing if name_of(test) not in INAPPLICABLE]
    starting = [test for test in applicable if native[test]["own"]]
    good = True
    for title, ours in zip(("", ", with children that use it too"), others):
        wrong = faults(native, ours)
        spawned = sum(ours[test]["servers"] for test in starting if test in ours)
        say(
            f"{heading}{title}: {len(applicable)} applicable tests, {len(applicable) - len(wrong)} pass; "
            f"{len(starting)} of them start programs, {spawned} through the server"
        )
        for test, fault in wrong.items():
            good = False
            say(f"  FAILED {test}: {fault}")
    left_out = sorted({name_of(test) for test in passing if name_of(test) in INAPPLICABLE})
    say(f"  not applicable, {len(passing) - len(applicable)} of {len(passing)}: {', '.join(left_out)}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").partition("usage: ")[2])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("pythons", nargs="*")
    arguments = parser.parse_args()
    pythons = [*interpreters()] if arguments.all else arguments.pythons or [sys.executable]
    results = [check(python, arguments.only) for python in pythons]
    if arguments.all:
        # One that came without its tests has been named; those that are asked for have to have them.
        results = [result for result in results if result is not None]
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
