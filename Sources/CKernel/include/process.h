// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_PROCESS_H
#define CKERNEL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// How a process ended and what it used (waitid(2), getrusage(2)).
struct pk_exit {
    bool by_signal, core;
    int32_t status; ///< exit code, or signal number
    int64_t user_us, system_us;
    int64_t max_rss_kib;
    int64_t minor_faults, major_faults;
    int64_t voluntary_switches, involuntary_switches;
    int64_t blocks_in, blocks_out;
};

/// Reaps the child of `pidfd`, waiting for nothing. Returns 1 when it was reaped, 0 when it has not ended (or a
/// tracer holds it), or -errno. waitid(2), P_PIDFD: Linux 5.4; the raw call also gives the resource usage.
int pk_reap(int pidfd, struct pk_exit *exit);

/// Whether the child of `pidfd` has ended, or was reaped. Unlike its pidfd, which may be readable for a moment while
/// another thread than the leader is in an execve (seen on Linux 6.18), this is never wrong.
bool pk_has_ended(int pidfd);

/// A stop or a continuation of the child of `pidfd` not told before: 0 none, the stopping signal, or
/// PK_CONTINUED; or -errno.
enum { PK_CONTINUED = -1000 };
int pk_stop_event(int pidfd);

/// A change that some child of this thread has gone through and nobody has been told of.
struct pk_change {
    pid_t pid; ///< 0: there is none
    bool ended;
};

/// Looks for one, leaving it as it is (waitid(2), WNOWAIT). Returns 0 or -errno.
int pk_next_change(struct pk_change *change);

/// Takes the changes of a child that was adopted (subreaper): reaps it, or clears its stop.
void pk_take_adopted(pid_t pid);

/// pidfd_open(2) and pidfd_send_signal(2). They return 0 or the pidfd, or -errno.
int pk_pidfd_open(pid_t pid);
int pk_pidfd_signal(int pidfd, int signal);

/// Becomes the parent of orphaned descendants (PR_SET_CHILD_SUBREAPER). Returns 0 or -errno.
int pk_become_subreaper(void);

/// Every disposition back to default, nothing blocked: whatever started the server must not show through.
void pk_reset_signals(void);

/// The first fork of a daemon, which Swift refuses to import. As fork(2): 0 in the child, the pid, or -errno.
pid_t pk_fork(void);

#endif
