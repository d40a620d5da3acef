# SPDX-License-Identifier: Apache-2.0
"""Adds up JUnit files: `count.py FILE…` prints "passed failed skipped". A file that cannot be read is one failure."""

import sys
import xml.etree.ElementTree as tree

passed = failed = skipped = 0
for name in sys.argv[1:]:
    try:
        cases = list(tree.parse(name).iter("testcase"))
    except (OSError, tree.ParseError):
        failed += 1
        continue
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    if not cases:
        failed += 1
print(passed, failed, skipped)
