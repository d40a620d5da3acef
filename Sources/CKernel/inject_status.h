// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_INJECT_STATUS_H
#define CKERNEL_INJECT_STATUS_H

#include "inject.h"

/// What /proc says of a thread: proc_pid_status(5).
struct pk_status {
    uint32_t uids[4], gids[4]; ///< real, effective, saved, filesystem
    uint32_t *groups;          ///< malloc(3)
    uint32_t group_count;
    uint64_t pending;   ///< of the thread and of the process
    uint64_t ignored;
    uint64_t permitted, effective, bounding, ambient; ///< capabilities
    uint32_t tracer;
    uint32_t threads;
    uint32_t seccomp, seccomp_filters;
    uint32_t no_new_privileges;
    uint32_t file_owner; ///< of the file itself: root's when the program is not dumpable (proc(5))
    char state;
};

/// Reads it; 0 or -errno. `tid` 0: the calling thread. pk_status_free() afterwards.
int pk_status_read(pid_t tid, struct pk_status *status);
void pk_status_free(struct pk_status *status);

/// The thread of the process to take: its leader, unless that has ended or cannot stop (state D) and another one can.
/// -ESRCH: none is left.
pid_t pk_pick_thread(pid_t pid);
/// The O_* flags of a descriptor of the thread, O_CLOEXEC among them (proc_pid_fdinfo(5)); -1: it has none by this number.
long pk_descriptor_flags(pid_t tid, int number);
/// Whether the thread is the parent of a vfork(2) that is not over.
bool pk_in_vfork(pid_t tid);

/// Whether the thread is in state D.
bool pk_uninterruptible(pid_t tid);

/// Whether the thread has no more than the process was started with.
bool pk_status_allows(const struct pk_status *status, pid_t tid, const struct pk_credentials *started);
/// Whether the program hides its memory (prctl(2), PR_SET_DUMPABLE).
bool pk_status_dumpable(const struct pk_status *status);
/// Why ptrace(2) says EPERM.
enum pk_inject_refusal pk_explain_refusal(const struct pk_status *status, pid_t tid,
                                          const struct pk_credentials *started);
/// Whether this thread has CAP_SYS_PTRACE.
bool pk_may_trace_all(void);

#endif
