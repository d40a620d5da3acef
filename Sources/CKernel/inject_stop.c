// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_tracee.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t pk_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int pk_request(struct pk_tracee *tracee, int request, uint64_t address, uint64_t data)
{
    if (tracee->fault == -ESRCH)
        return -ESRCH;
    if (ptrace(request, tracee->tid, (void *)(uintptr_t)address, (void *)(uintptr_t)data) != -1)
        return 0;
    // At a stop it can only be killed.
    if (errno == ESRCH)
        tracee->fault = -ESRCH;
    return -errno;
}

/// A stop lasts microseconds: look often at first, then ever less. What hangs may do so for days.
static void pause_between_looks(unsigned looks)
{
    enum { YIELDS = 200, STEP_NS = 20000, MOST_NS = 100000000 };
    if (looks < YIELDS) {
        syscall(SYS_sched_yield);
        return;
    }
    const long wanted = (long)(looks - YIELDS + 1) * STEP_NS;
    struct timespec pause = {.tv_nsec = wanted < MOST_NS ? wanted : MOST_NS};
    nanosleep(&pause, NULL);
}

static bool is_end(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED || info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED;
}

/// Its end is only looked at: the server's reaper must still find it.
static void note_end(struct pk_tracee *tracee, const siginfo_t *info)
{
    tracee->fault = -ESRCH;
    tracee->segv_at_exec = info->si_pid == tracee->order->pid && info->si_code != CLD_EXITED &&
                           info->si_status == SIGSEGV && tracee->outcome->stage == PK_INJECT_STAGE_EXEC;
}

static int classify(int status)
{
    const int event = status >> 8, signal = status & 0xff;
    if (event == PTRACE_EVENT_STOP)
        return PK_STOP_EVENT;
    if (event == PTRACE_EVENT_EXEC)
        return PK_STOP_EXEC;
    if (event != 0)
        return PK_STOP_OTHER;
    return signal == (SIGTRAP | 0x80) ? PK_STOP_SYSCALL : signal;
}

/// One look at any tracee of this thread: one that was not the leader comes out of its execve with the leader's number.
static long look(siginfo_t *info, int options)
{
    memset(info, 0, sizeof *info);
    return syscall(SYS_waitid, P_ALL, 0, info, options | WNOHANG | __WALL | __WNOTHREAD, NULL);
}

void pk_take_ended_threads(pid_t leader)
{
    siginfo_t info;
    while (look(&info, WEXITED | WNOWAIT) == 0 && info.si_pid != 0 && info.si_pid != leader && is_end(&info))
        if (syscall(SYS_waitid, P_PID, info.si_pid, &info, WEXITED | WNOHANG | __WALL | __WNOTHREAD, NULL) != 0)
            return;
}

/// Waits for the next stop. pk_stop, a signal, -ESRCH or -ETIMEDOUT.
static int wait_for_stop(struct pk_tracee *tracee)
{
    for (unsigned looks = 0;; looks++) {
        // A stop is taken with WSTOPPED alone: with WEXITED an end would be taken too, which is for the server's reaper.
        siginfo_t info;
        if (look(&info, WSTOPPED) == 0 && info.si_pid != 0) {
            tracee->tid = info.si_pid;
            return classify(info.si_status);
        }
        // That says ECHILD also of one that has ended; this says it only when there is none any more.
        if (look(&info, WEXITED | WNOWAIT) != 0)
            return tracee->fault = -ESRCH;
        if (info.si_pid != 0) {
            if (!is_end(&info))
                continue; // stopped since the first look
            note_end(tracee, &info);
            return -ESRCH;
        }
        if (tracee->deadline != PK_NO_DEADLINE && pk_monotonic_ms() >= tracee->deadline)
            return -ETIMEDOUT;
        pause_between_looks(looks);
    }
}

static bool is_signal(int stop)
{
    return stop > 0 && stop < PK_STOP_SYSCALL;
}

int pk_to_event_stop(struct pk_tracee *tracee, bool stands)
{
    for (uint64_t deliver = 0;;) {
        // Each time: any other stop takes an interrupt that is pending with it (the kernel's ptrace_stop()).
        int error = pk_request(tracee, PTRACE_INTERRUPT, 0, 0);
        if (error == 0 && stands)
            error = pk_request(tracee, PTRACE_CONT, 0, deliver);
        if (error)
            return error;
        const int stop = wait_for_stop(tracee);
        if (stop < 0 || stop == PK_STOP_EVENT)
            return stop < 0 ? stop : 0;
        deliver = is_signal(stop) ? (uint64_t)stop : 0;
        stands = true;
    }
}

/// What has been let go begins its call at once, unless its cgroup is frozen. It gets a while in any case: one whose time
/// is nearly over, on a busy machine, is not to be taken for a frozen one.
enum { FROZEN_AFTER_MS = 2000, NOT_FROZEN_BEFORE_MS = 250 };

static int64_t call_deadline(int64_t deadline)
{
    const int64_t now = pk_monotonic_ms();
    if (deadline < now + NOT_FROZEN_BEFORE_MS)
        return now + NOT_FROZEN_BEFORE_MS;
    return deadline < now + FROZEN_AFTER_MS ? deadline : now + FROZEN_AFTER_MS;
}

/// Takes it back from where it does not come to run. False if it came to run after all.
static bool park(struct pk_tracee *tracee, int *stop)
{
    tracee->deadline = PK_NO_DEADLINE;
    pk_request(tracee, PTRACE_INTERRUPT, 0, 0);
    *stop = wait_for_stop(tracee);
    if (*stop != PK_STOP_EVENT)
        return false;
    tracee->fault = -ETIMEDOUT;
    return true;
}

int pk_to_call_stop(struct pk_tracee *tracee, bool entry)
{
    uint64_t deliver = 0;
    const int64_t deadline = tracee->deadline;
    for (;;) {
        int error = pk_request(tracee, PTRACE_SYSCALL, 0, deliver);
        if (error)
            return error;
        // A call that has begun cannot be called back; and there is no way back but by calls (PK_NO_DEADLINE).
        tracee->deadline = entry && deadline != PK_NO_DEADLINE ? call_deadline(deadline) : PK_NO_DEADLINE;
        int stop = wait_for_stop(tracee);
        if (stop == -ETIMEDOUT && park(tracee, &stop))
            return -ETIMEDOUT;
        tracee->deadline = deadline;
        if (stop < 0 || stop == PK_STOP_SYSCALL || stop == PK_STOP_EXEC)
            return stop;
        // Only SIGSTOP comes through the mask. It takes effect when it is let go; until then it runs for us.
        deliver = is_signal(stop) ? (uint64_t)stop : 0;
    }
}

long pk_call(struct pk_tracee *tracee, long number, const long (*arguments)[6])
{
    if (tracee->fault)
        return tracee->fault;
    struct pk_registers registers = tracee->found;
    pk_registers_put_call(&registers, tracee->instruction, number, arguments);
    int stop = pk_registers_forget_call(tracee->tid);
    if (stop == 0)
        stop = pk_registers_set(tracee->tid, &registers);
    if (stop == 0)
        stop = pk_to_call_stop(tracee, true);
    if (stop >= 0)
        stop = pk_to_call_stop(tracee, false);
    if (stop == PK_STOP_EXEC) {
        tracee->executed = true;
        return 0;
    }
    if (stop >= 0)
        stop = pk_registers_get(tracee->tid, &registers);
    if (stop < 0) {
        tracee->fault = stop;
        return stop;
    }
    return pk_registers_result(&registers);
}
