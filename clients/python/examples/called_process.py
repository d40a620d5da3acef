# SPDX-License-Identifier: Apache-2.0
"""The called one: greets, and stays until somebody presses ENTER."""

print("Hello from the called process", flush=True)
input("Press ENTER to exit ")
