# SPDX-License-Identifier: Apache-2.0
"""The parts of ``procctl.subprocess``: a Popen whose program runs under the server.

``popen`` is the class, ``request`` says what the program is to get of its caller, ``link`` is where its end is heard,
``pool`` has the connections that programs share for that, ``module`` and ``loops`` put the class in the place of the
standard one.
"""
