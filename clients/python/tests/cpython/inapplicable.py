# SPDX-License-Identifier: Apache-2.0
"""The tests of CPython's that do not apply to a Popen whose program is a child of the server, and why."""

_PREEXEC = "preexec_fn runs Python between fork and exec of the caller's child, of which there is none"
_FORK = "replaces the C function that forks by a mock, which nothing calls"

INAPPLICABLE = {
    "test_preexec": _PREEXEC,
    "test_preexec_exception": _PREEXEC,
    "test_preexec_errpipe_does_not_double_close_pipes": _PREEXEC,
    "test_preexec_gc_module_failure": _PREEXEC,
    "test_preexec_fork_failure": _PREEXEC,
    "test_close_fds_after_preexec": _PREEXEC,
    "test_surrogates_error_message": _PREEXEC,
    "test_exception_errpipe_normal": _FORK,
    "test_exception_errpipe_bad_data": _FORK,
    "test__use_vfork": _FORK,
    "test_vfork_used_when_expected": "traces this process's own system calls for a vfork",
    "test_stopped": "waitpid(2) on the program, which is not this process's child",
    "test_send_signal_race": "waitpid(2) on the program, which is not this process's child",
    "test_communicate_eintr": "the program signals its parent, which is the server",
}

UNSENT = {
    "test_exception_cwd": "the directory cannot be opened, so there is nothing to ask the server",
    "test_file_not_found_with_bad_cwd": "the directory cannot be opened, so there is nothing to ask the server",
}
"""Tests that apply, though the program they start is not heard of by the server."""
