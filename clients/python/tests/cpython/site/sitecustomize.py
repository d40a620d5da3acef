# SPDX-License-Identifier: Apache-2.0
"""For the run in which the Python children of the tests use the drop-in as well."""

import procctl.subprocess

procctl.subprocess.install()
