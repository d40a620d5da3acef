#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The C of the server on an emulated aarch64 machine: Debian's kernel, libc and Python under QEMU, the tests of
Tests/Behaviour that need no server, and the victims of Tests/Zoo, compiled here.

usage: run.py [--cpu MODEL]… [--kernel PACKAGE] [--smp N] [--deadline SECONDS] [PYTEST ARGUMENT…]

What is downloaded (apt-get, without touching the packages of this machine) is kept below $SCRATCH or .build."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

OWN = pathlib.Path(__file__).resolve().parent
REPOSITORY = OWN.parent.parent.parent
KERNEL = REPOSITORY / "Sources" / "CKernel"
ZOO = REPOSITORY / "Tests" / "Zoo"
PLACE = pathlib.Path(os.environ.get("SCRATCH", REPOSITORY / ".build")).resolve() / "aarch64"

PACKAGES = ["python3", "python3-pytest", "python3-hypothesis", "dash", "coreutils", "grep", "util-linux", "mount"]
TESTS = ["test_launcher.py", *sorted(file.name for file in (REPOSITORY / "Tests/Behaviour").glob("test_injection_*.py"))]
# Guarded branches and signed return addresses: older processors run through these instructions.
FLAGS = ["-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-mbranch-protection=standard"]
#: Besides process.c and image.c, the C of the server that goes into each program that drives it.
DRIVERS = {"injector": ["inject*.c"], "launcher": ["launch*.c", "ancillary.c"]}
#: What the machine does not need of its packages.
DROPPED = ["boot", "lib/modules", "usr/lib/modules", "usr/share/doc", "usr/share/man", "usr/share/locale"]


def apt_get(*words):
    """apt-get for packages of another architecture, as if none were installed."""
    state = PLACE / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    options = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "true",
    }
    settings = [word for name, value in options.items() for word in ("-o", "%s=%s" % (name, value))]
    subprocess.run(["apt-get", "-qq", *settings, *words], check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL)
    return state / "archives"


def download(kernel):
    """Root directory and kernel of the machine; made once."""
    root, image = PLACE / kernel, PLACE / (kernel + ".image")
    if image.exists():
        return root, image
    shutil.rmtree(root, ignore_errors=True)
    shutil.rmtree(PLACE / "apt", ignore_errors=True)
    apt_get("update")
    for package in sorted(apt_get("install", "-y", "--download-only", kernel, *PACKAGES).glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    for name in ("bin", "sbin", "lib"):
        # Debian 13 has them only below usr; the links are made by a package's script, which has not run.
        if not (root / name).exists():
            (root / name).symlink_to("usr/" + name)
    # From Debian 14 on it lies beside its modules.
    found = [*sorted(root.glob("boot/vmlinuz-*")), *sorted(root.glob("usr/lib/modules/*/vmlinuz"))]
    shutil.copy(found[-1], PLACE / "image")
    for name in DROPPED:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (PLACE / "image").rename(image)
    return root, image


def compile_all(target):
    """The zoo and the drivers, by name, where `cc` of the machine finds them."""
    target.mkdir()
    shutil.copy(OWN / "cc", target / "cc")
    compiler = os.environ.get("AARCH64_CC", "aarch64-linux-gnu-gcc")
    for source in sorted(ZOO.glob("*.c")):
        parts = DRIVERS.get(source.stem, [])
        patterns = ["process.c", "image.c", *parts] if parts else []
        engine = [file for pattern in patterns for file in sorted(KERNEL.glob(pattern))]
        command = [compiler, *FLAGS, "-I", KERNEL / "include", "-o", target / source.stem, source, *engine]
        subprocess.run(command, check=True)


def pack(root, kernel, arguments):
    """The machine's memory file system."""
    for name in ("procctl", "prebuilt"):
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("Tests/Behaviour", "Tests/Zoo", "Sources/CKernel", "clients/python/src", "schema"):
        shutil.copytree(REPOSITORY / name, root / "procctl" / name, ignore=shutil.ignore_patterns("__pycache__"))
    compile_all(root / "prebuilt")
    shutil.copy(OWN / "init", root / "init")
    (root / "procctl/arguments").write_text("".join(word + "\n" for word in arguments))
    archive = PLACE / (kernel + ".cpio")
    names = subprocess.run(["find", "."], cwd=root, check=True, stdout=subprocess.PIPE).stdout
    with open(archive, "wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=root, check=True, input=names, stdout=file)
    return archive


def boot(cpu, smp, deadline, image, archive):
    """What the machine says until it is off, which is passed on; None: it was not off in time."""
    command = ["qemu-system-aarch64", "-M", "virt", "-cpu", cpu, "-smp", str(smp), "-m", "2048", "-nographic", "-no-reboot"]
    command += ["-net", "none", "-kernel", str(image), "-initrd", str(archive)]
    command += ["-append", "console=ttyAMA0 panic=-1 quiet"]
    with subprocess.Popen(["timeout", str(deadline), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as machine:
        said = []
        for line in machine.stdout:
            said.append(line.decode(errors="replace").rstrip())
            print(said[-1], flush=True)
    return said if machine.returncode == 0 else None


def count(said):
    """(passed, failed, skipped) of pytest's last lines; each run of it must have come to one."""
    numbers = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
    runs = [line for line in said if re.fullmatch(r"(\d+ \w+(, )?)+ in [\d.]+s.*", line)]
    for number, name in re.findall(r"(\d+) (passed|failed|skipped|error)", "\n".join(runs)):
        numbers[name] += int(number)
    ended = sum(line.startswith("pytest ended with ") for line in said)
    broken = 1 if len(runs) != ended or "all runs have ended" not in said else 0
    return numbers["passed"], numbers["failed"] + numbers["error"] + broken, numbers["skipped"]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("--cpu", action="append")
    parser.add_argument("--kernel", default="linux-image-cloud-arm64")
    parser.add_argument("--smp", type=int, default=1)
    parser.add_argument("--deadline", type=int, default=3600)
    options, arguments = parser.parse_known_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    root, image = download(options.kernel)
    archive = pack(root, options.kernel, arguments or TESTS)
    total = [0, 0, 0]
    # All that QEMU knows of (SVE, BTI, pointer authentication by a quick algorithm), and one with none of it.
    for cpu in options.cpu or ["max,pauth-impdef=on", "cortex-a72"]:
        print("\n== %s, %s" % (options.kernel, cpu), flush=True)
        said = boot(cpu, options.smp, options.deadline, image, archive)
        passed, failed, skipped = count(said) if said else (0, 1, 0)
        total = [total[0] + passed, total[1] + failed, total[2] + skipped]
    print("\n%d passed, %d failed" % tuple(total[:2]) + (", %d skipped" % total[2] if total[2] else ""))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
