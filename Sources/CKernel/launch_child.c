// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "launch_child.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

// The child's half of a start, one step after the other. Raw system calls only (raw.h): the memory is the
// server's, which goes on running. Raw set*id calls change this one task, which is the whole child; glibc's
// would signal the server's threads (nptl(7)).

NO_SANITIZER static int part_from_parent(const struct pk_launch *launch)
{
    if (launch->gate < 0 && launch->unshare_above > 0) {
        // Copies only what lies below: the cost does not grow with the server's descriptors (Linux 5.9).
        long result = pk_raw(SYS_close_range, launch->unshare_above, ~0U, CLOSE_RANGE_UNSHARE);
        if (result < 0)
            return (int)result;
        pk_raw(SYS_write, launch->report, "u", 1);
    }
    // What other starts are about to hand to their children must not stay open here: their pipes would not end.
    uint32_t from = 0;
    for (uint32_t i = 0; i < launch->kept_count; i++) {
        uint32_t kept = (uint32_t)launch->kept[i];
        if (kept > from)
            pk_raw(SYS_close_range, from, kept - 1, 0);
        from = kept + 1;
    }
    pk_raw(SYS_close_range, from, ~0U, 0);
    return 0;
}

NO_SANITIZER static int set_signals(const struct pk_launch *launch, bool handlers_cleared)
{
    struct kernel_sigaction action = {.handler = (uintptr_t)SIG_DFL};
    for (int number = 1; number <= 64; number++) {
        const bool ignored = (launch->ignored >> (number - 1)) & 1;
        if ((!ignored && handlers_cleared) || number == SIGKILL || number == SIGSTOP)
            continue;
        action.handler = (uintptr_t)(ignored ? SIG_IGN : SIG_DFL);
        long result = pk_raw(SYS_rt_sigaction, number, &action, 0, sizeof action.mask);
        if (result < 0)
            return (int)result;
    }
    return 0;
}

NO_SANITIZER static int set_limit(const struct pk_limit *limit, bool only_raise)
{
    struct {
        uint64_t soft, hard;
    } now, wanted;
    long result = pk_raw(SYS_prlimit64, 0, limit->resource, 0, &now);
    if (result < 0)
        return (int)result;
    wanted.hard = limit->set_hard ? limit->hard : now.hard;
    wanted.soft = limit->set_soft ? limit->soft : (now.soft < wanted.hard ? now.soft : wanted.hard);
    if (only_raise) {
        if (wanted.hard <= now.hard)
            return 0;
        wanted.soft = now.soft;
    }
    return (int)pk_raw(SYS_prlimit64, 0, limit->resource, &wanted, 0);
}

/// RLIMIT_NOFILE is raised while the ids still allow it, and brought to its value when the descriptors are in place.
NO_SANITIZER static int set_limits(const struct pk_launch *launch, bool descriptors_in_place, volatile int32_t *index)
{
    for (uint32_t i = 0; i < launch->limit_count; i++) {
        const struct pk_limit *limit = &launch->limits[i];
        const bool is_nofile = limit->resource == RLIMIT_NOFILE;
        if (descriptors_in_place && !is_nofile)
            continue;
        *index = (int32_t)i;
        int error = set_limit(limit, is_nofile && !descriptors_in_place);
        if (error)
            return error;
    }
    return 0;
}

/// All steps up to the gate or the execve. `*report` and `*gate` follow their descriptors as they are moved.
NO_SANITIZER static int prepare(struct pk_slab *slab, int32_t *report, int32_t *gate)
{
    const struct pk_launch *launch = slab->launch;
    struct pk_outcome *outcome = &slab->outcome;
    int error = part_from_parent(launch);
    if (error)
        return error;
    outcome->stage = PK_STAGE_SIGNALS;
    if ((error = set_signals(launch, slab->handlers_cleared)))
        return error;
    outcome->stage = PK_STAGE_SESSION;
    if ((error = pk_step_session(launch, outcome)))
        return error;
    if (launch->umask >= 0)
        pk_raw(SYS_umask, launch->umask);
    outcome->stage = PK_STAGE_NICE;
    if (launch->set_nice && (error = (int)pk_raw(SYS_setpriority, PRIO_PROCESS, 0, launch->nice)))
        return error;
    outcome->stage = PK_STAGE_RLIMITS;
    if ((error = set_limits(launch, false, &outcome->index)))
        return error;
    outcome->index = 0;
    // A directory that came as a descriptor is like the one a child inherits: it may be closed to the ids it runs with.
    outcome->stage = PK_STAGE_CWD;
    if (launch->image.cwd_descriptor >= 0 && (error = (int)pk_raw(SYS_fchdir, launch->image.cwd_descriptor)))
        return error;
    outcome->stage = PK_STAGE_GROUPS;
    if (launch->set_groups && (error = (int)pk_raw(SYS_setgroups, launch->group_count, launch->groups)))
        return error;
    outcome->stage = PK_STAGE_GID;
    if (launch->set_gid && (error = (int)pk_raw(SYS_setresgid, launch->gid, launch->gid, launch->gid)))
        return error;
    outcome->stage = PK_STAGE_UID;
    if (launch->set_uid && (error = (int)pk_raw(SYS_setresuid, launch->uid, launch->uid, launch->uid)))
        return error;
    outcome->stage = PK_STAGE_CWD;
    const bool by_path = launch->image.cwd_descriptor < 0 && launch->image.cwd;
    if (by_path && (error = (int)pk_raw(SYS_chdir, launch->image.cwd)))
        return error;
    if ((error = pk_step_descriptors(launch, report, gate, &outcome->stage, &outcome->index)))
        return error;
    outcome->stage = PK_STAGE_TERMINAL;
    // A session leader without one may take it (ioctl_tty(2)); the argument 0: never from somebody else.
    if (launch->terminal >= 0 && (error = (int)pk_raw(SYS_ioctl, launch->terminal, TIOCSCTTY, 0)))
        return error;
    outcome->stage = PK_STAGE_RLIMITS;
    if ((error = set_limits(launch, true, &outcome->index)))
        return error;
    outcome->index = 0;
    outcome->stage = PK_STAGE_NO_NEW_PRIVILEGES;
    if (launch->no_new_privileges && (error = (int)pk_raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)))
        return error;
    return 0;
}

NO_SANITIZER _Noreturn static void end(int status)
{
    for (;;)
        pk_raw(SYS_exit_group, status);
}

NO_SANITIZER _Noreturn void pk_child_main(struct pk_slab *slab)
{
    if (!slab->launch)
        end(0);
    int32_t report = slab->launch->report, gate = slab->launch->gate;
    int error = prepare(slab, &report, &gate);
    if (error == 0 && gate >= 0) {
        slab->outcome.stage = PK_STAGE_GATE;
        pk_raw(SYS_close, report);
        pk_step_gate(slab, gate);
        end(125);
    }
    if (error == 0) {
        slab->outcome.stage = PK_STAGE_EXEC;
        error = pk_step_exec(&slab->launch->image, slab->launch->blocked, &slab->outcome.index);
    }
    slab->outcome.error = -error;
    slab->outcome.failed = 1;
    end(127);
}
