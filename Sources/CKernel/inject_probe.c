// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "image.h"
#include "inject.h"
#include "inject_status.h"
#include "process.h"
#include "raw.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// Whether it works here is found out by doing it, on a child that does nothing: to a program that is none.

/// "/" for a program, nothing for arguments: packed as ProgramImage packs (image.h).
static const struct {
    struct pk_packed_image head;
    uint64_t words[4];
    char path[2];
} nothing = {
    .head = {.size = sizeof nothing, .words = 4, .argv = 2, .envp = 3},
    .words = {offsetof(typeof(nothing), path)},
    .path = "/",
};

/// A copy of this process that waits for its end. Raw calls only: libc's locks may be held by threads it has not got.
static pid_t start_idle_child(void)
{
    uint64_t all = ~0ULL, before;
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    const pid_t parent = getpid();
    const long pid = pk_raw(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        // If this process may not be traced for what it is (file capabilities), its children still may.
        pk_raw(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
        pk_raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        while (pk_raw(SYS_getppid) == parent)
            pk_raw(SYS_ppoll, 0, 0, 0, 0, 0);
        for (;;)
            pk_raw(SYS_exit_group, 0);
    }
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof all);
    return (pid_t)pid;
}

static void replace(const struct pk_inject_order *order, struct pk_inject_outcome *outcome)
{
    struct pk_injection *injection;
    const int error = pk_inject_begin(order, outcome, &injection);
    if (error) {
        outcome->result = PK_INJECT_FAILED;
        outcome->error = -error;
        return;
    }
    struct pollfd done = {.fd = pk_inject_descriptor(injection), .events = POLLIN};
    while (poll(&done, 1, -1) != 1)
        continue;
    pk_inject_end(injection);
}

bool pk_inject_works(enum pk_inject_refusal *refusal, int *error)
{
    *refusal = PK_REFUSAL_NONE;
    struct pk_status self;
    if ((*error = -pk_status_read(0, &self)) != 0)
        return false;
    const pid_t pid = start_idle_child();
    const int pidfd = pid > 0 ? pk_pidfd_open(pid) : -1;
    struct pk_inject_outcome outcome = {0};
    if (pidfd >= 0) {
        const struct pk_inject_order order = {
            .pid = pid,
            .pidfd = pidfd,
            .image = &nothing,
            .image_size = sizeof nothing,
            .cwd_descriptor = -1,
            .started = {.uid = self.uids[1],
                        .gid = self.gids[1],
                        .groups = self.groups,
                        .group_count = self.group_count,
                        .capabilities = ~0ULL},
            .deadline_ms = 1000,
        };
        replace(&order, &outcome);
        close(pidfd);
    }
    pk_status_free(&self);
    if (pid > 0) {
        siginfo_t info;
        kill(pid, SIGKILL);
        waitid(P_PID, (id_t)pid, &info, WEXITED);
    }
    *refusal = (enum pk_inject_refusal)outcome.refusal;
    *error = outcome.error;
    // execve(2) itself has answered.
    return outcome.result == PK_INJECT_FAILED && outcome.stage == PK_INJECT_STAGE_EXEC && outcome.error == EACCES;
}
