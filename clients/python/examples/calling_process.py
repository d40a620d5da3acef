# SPDX-License-Identifier: Apache-2.0
"""The caller: replaces itself by another program. Run it; "Good Bye!!" is never printed."""

import os

import procctl

called = os.path.join(os.path.dirname(os.path.abspath(__file__)), "called_process.py")

# What is still in a buffer when a program is replaced is lost, so this line is flushed.
print("Process calling", flush=True)

# The program is found along PATH, gets this process's terminal, directory and environment, and its status becomes ours.
procctl.execvp("python3", ["python3", called])

print("Good Bye!!")
