// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "process.h"
#include "raw.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDTYPE_PIDFD = 3 };

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static bool is_end(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED || info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED;
}

/// Looks without taking anything: 1 it has ended, 0 it has not, or -errno. A stopped tracee answers such a call with its
/// stop even without WSTOPPED, and a stop that is taken here never reaches a tracer thread of ours (inject.h).
static int look_for_end(int pidfd)
{
    siginfo_t info;
    info.si_pid = 0;
    if (syscall(SYS_waitid, IDTYPE_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT, NULL) != 0)
        return -errno;
    return info.si_pid != 0 && is_end(&info);
}

bool pk_has_ended(int pidfd)
{
    const int ended = look_for_end(pidfd);
    return ended == 1 || ended == -ECHILD;
}

int pk_reap(int pidfd, struct pk_exit *exit)
{
    const int ended = look_for_end(pidfd);
    if (ended != 1)
        return ended;
    siginfo_t info;
    struct rusage usage;
    if (syscall(SYS_waitid, IDTYPE_PIDFD, pidfd, &info, WEXITED | WNOHANG, &usage) != 0)
        return -errno;
    *exit = (struct pk_exit){
        .by_signal = info.si_code != CLD_EXITED,
        .core = info.si_code == CLD_DUMPED,
        .status = info.si_status,
        .user_us = microseconds(usage.ru_utime),
        .system_us = microseconds(usage.ru_stime),
        .max_rss_kib = usage.ru_maxrss,
        .minor_faults = usage.ru_minflt,
        .major_faults = usage.ru_majflt,
        .voluntary_switches = usage.ru_nvcsw,
        .involuntary_switches = usage.ru_nivcsw,
        .blocks_in = usage.ru_inblock,
        .blocks_out = usage.ru_oublock,
    };
    return 1;
}

int pk_stop_event(int pidfd)
{
    siginfo_t info;
    info.si_pid = 0;
    if (syscall(SYS_waitid, IDTYPE_PIDFD, pidfd, &info, WSTOPPED | WCONTINUED | WNOHANG, NULL) != 0)
        return errno == ECHILD ? 0 : -errno;
    if (info.si_pid == 0)
        return 0;
    return info.si_code == CLD_CONTINUED ? PK_CONTINUED : info.si_status;
}

int pk_next_change(struct pk_change *change)
{
    siginfo_t info;
    info.si_pid = 0;
    change->pid = 0;
    // Of this thread's children only: those that a tracer thread of ours looks at are its own affair.
    const int options = WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT | __WNOTHREAD;
    if (syscall(SYS_waitid, P_ALL, 0, &info, options, NULL) != 0)
        return errno == ECHILD ? 0 : -errno;
    change->pid = info.si_pid;
    change->ended = is_end(&info);
    return 0;
}

void pk_take_adopted(pid_t pid)
{
    siginfo_t info;
    syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG, NULL);
}

int pk_pidfd_open(pid_t pid)
{
    long result = syscall(SYS_pidfd_open, pid, 0);
    return result < 0 ? -errno : (int)result;
}

int pk_pidfd_signal(int pidfd, int signal)
{
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) != 0 ? -errno : 0;
}

int pk_become_subreaper(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 ? -errno : 0;
}

void pk_reset_signals(void)
{
    // As the kernel has it; glibc's sigaction(3) hides 32 and 33, which a starter by posix_spawn(3) may leave ignored.
    struct {
        uintptr_t handler;
        unsigned long flags;
        uintptr_t restorer;
        uint64_t mask;
    } now, fresh = {.handler = (uintptr_t)SIG_DFL};
    for (int number = 1; number <= 64; number++) {
        // Handlers of the runtime (its crash reporter) stay: they end the process as well.
        if (pk_raw(SYS_rt_sigaction, number, 0, &now, sizeof now.mask) == 0 && now.handler == (uintptr_t)SIG_IGN)
            pk_raw(SYS_rt_sigaction, number, &fresh, 0, sizeof fresh.mask);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t pk_fork(void)
{
    pid_t pid = fork();
    return pid < 0 ? -errno : pid;
}
