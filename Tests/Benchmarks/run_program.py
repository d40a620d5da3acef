# SPDX-License-Identifier: Apache-2.0
"""One program after the other by `subprocess.run`, the standard module's or ours: usage: run_program.py standard|procctl
COUNT PROGRAM null|pipe. Prints the median in nanoseconds as JSON."""

import json
import statistics
import sys
import time

kind, count, program, stdout = sys.argv[1:]
if kind == "procctl":
    from procctl import subprocess
else:
    import subprocess

options = {"stdout": subprocess.PIPE if stdout == "pipe" else subprocess.DEVNULL}
times = []
for _ in range(20):
    subprocess.run([program], **options)
for _ in range(int(count)):
    before = time.perf_counter_ns()
    subprocess.run([program], **options)
    times.append(time.perf_counter_ns() - before)
print(json.dumps({"p50": statistics.median(times)}))
