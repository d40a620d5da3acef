// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_tracee.h"
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

// An injection from beginning to end, as its tracer thread goes through it: take a thread of the child, look at it, let
// it execute the program, and let it go, as the new program or as the old one.

/// The thread that was taken has ended, which need not be the end of the process: another thread of it may have come
/// to an execve of its own, or it was one of those that an exit leaves for last.
static const enum pk_inject_result again = PK_INJECT_RUNNING;

static void pause_for(long nanoseconds)
{
    struct timespec pause = {.tv_nsec = nanoseconds};
    nanosleep(&pause, NULL);
}

static enum pk_inject_result refuse(struct pk_tracee *tracee, enum pk_inject_refusal refusal, int error)
{
    tracee->outcome->refusal = (int32_t)refusal;
    tracee->outcome->error = error;
    return PK_INJECT_REFUSED;
}

static enum pk_inject_result fail(struct pk_tracee *tracee, int error)
{
    tracee->outcome->error = -error;
    return PK_INJECT_FAILED;
}

/// Filters are only ever added: as many as ours means ours, inherited. SECCOMP_MODE_STRICT has none.
static bool has_own_filters(const struct pk_status *status)
{
    struct pk_status self;
    if (status->seccomp == 0)
        return false;
    if (status->seccomp == 1 || pk_status_read(0, &self) != 0)
        return true;
    pk_status_free(&self);
    return status->seccomp_filters != self.seccomp_filters;
}

/// EPERM is said of a process, too, that is on its way out after a kill: a refusal without another reason is believed
/// when it has not ended for a while.
static bool ends_soon(int pidfd)
{
    enum { PATIENCE_MS = 100 };
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    return poll(&end, 1, PATIENCE_MS) == 1;
}

static enum pk_inject_result attach_failed(struct pk_tracee *tracee, int error, bool *attached)
{
    if (error == ESRCH || pk_pick_thread(tracee->order->pid) != tracee->tid)
        return again;
    if (error != EPERM && error != EACCES)
        return refuse(tracee, PK_REFUSAL_NOT_SUPPORTED, error);
    struct pk_status status;
    if (pk_status_read(tracee->tid, &status) != 0)
        return again;
    // A thread that was in its execve when it was taken has come out of it with the leader's number: it is ours already.
    *attached = status.tracer == (uint32_t)gettid();
    const enum pk_inject_refusal reason = pk_explain_refusal(&status, tracee->tid, &tracee->order->started);
    pk_status_free(&status);
    if (*attached)
        return again;
    if (reason == PK_REFUSAL_NO_PERMISSION && ends_soon(tracee->order->pidfd))
        return PK_INJECT_ENDED;
    return refuse(tracee, reason, error);
}

/// PTRACE_SEIZE; 0 or errno. EPERM is also said of a thread that is about to be gone, such as the leader while another
/// thread, in its execve, takes its place: it must be said more than once.
static int seize(pid_t tid, uint64_t options)
{
    for (int tries = 0;; tries++) {
        if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)(uintptr_t)options) != -1)
            return 0;
        if (errno != EPERM || tries == 3)
            return errno;
        pause_for(1000000);
    }
}

/// Takes a thread of the process; `again` also when it was taken.
static enum pk_inject_result attach(struct pk_tracee *tracee, bool *attached)
{
    const struct pk_inject_order *order = tracee->order;
    tracee->outcome->stage = PK_INJECT_STAGE_ATTACH;
    // One that waited for its turn may have been reaped, and its number be a stranger's, who is not to be touched.
    if (pk_pidfd_signal(order->pidfd, 0) != 0)
        return PK_INJECT_ENDED;
    const pid_t tid = pk_pick_thread(order->pid);
    // None is seen alive also while one takes the leader's place.
    if (tid < 0)
        return pk_has_ended(order->pidfd) ? PK_INJECT_ENDED : again;
    tracee->tid = tid;
    const int error = seize(tid, tracee->options);
    if (error)
        return attach_failed(tracee, error, attached);
    // The number is its own for as long as its parent has not reaped it; now it cannot change its meaning any more.
    if (pk_pidfd_signal(order->pidfd, 0) != 0)
        return PK_INJECT_ENDED;
    *attached = true;
    return again;
}

/// It does not stop. Nothing was done to it; the end of this thread lets it go (a detach needs a stop).
static enum pk_inject_result does_not_stop(struct pk_tracee *tracee)
{
    if (pk_in_vfork(tracee->tid))
        return refuse(tracee, PK_REFUSAL_VFORK, ETIMEDOUT);
    // One that has merely not come to run yet, for the machine is busy and its time was short, is not to be blamed.
    return pk_uninterruptible(tracee->tid) ? refuse(tracee, PK_REFUSAL_UNINTERRUPTIBLE, ETIMEDOUT)
                                           : fail(tracee, -ETIMEDOUT);
}

/// At the stop, before anything is done to it: whose is it, and of which kind.
static enum pk_inject_refusal inspect(struct pk_tracee *tracee, const struct pk_status *status)
{
    if (pk_registers_compat(&tracee->found))
        return PK_REFUSAL_NOT_SUPPORTED;
    if (!pk_status_allows(status, tracee->tid, &tracee->order->started))
        return PK_REFUSAL_CREDENTIALS;
    if (!pk_status_dumpable(status))
        return PK_REFUSAL_NOT_DUMPABLE;
    if (has_own_filters(status))
        return PK_REFUSAL_SECCOMP;
    tracee->pending = status->pending;
    tracee->ignored = status->ignored;
    tracee->had_threads = status->threads > 1;
    return PK_REFUSAL_NONE;
}

/// Brings it where it can make calls: if we die from here on it dies too, and no signal comes in between.
static int prepare(struct pk_tracee *tracee)
{
    uint64_t all = ~0ULL;
    int error = pk_request(tracee, PTRACE_SETOPTIONS, 0, tracee->options | PTRACE_O_EXITKILL);
    if (error == 0)
        error = pk_request(tracee, PTRACE_SETSIGMASK, sizeof all, (uint64_t)(uintptr_t)&all);
    if (error == 0)
        error = pk_vectors_keep(tracee);
    if (error == 0)
        error = pk_registers_settle(tracee);
    if (error)
        return error;
    tracee->instruction = pk_find_instruction(tracee, false);
    return tracee->instruction ? 0 : -ENOSYS;
}

/// Lets the old program go on where it was.
static int put_back(struct pk_tracee *tracee)
{
    tracee->deadline = PK_NO_DEADLINE;
    int error = tracee->fault == -ESRCH ? -ESRCH : 0;
    // To a stop inside the kernel's signal delivery: only from there is an interrupted call restarted.
    if (error == 0 && tracee->fault == 0)
        error = pk_to_event_stop(tracee, true);
    if (error == 0)
        error = pk_registers_set(tracee->tid, &tracee->found);
    if (error == 0)
        error = pk_vectors_put_back(tracee);
    if (error == 0)
        error = pk_request(tracee, PTRACE_SETSIGMASK, sizeof tracee->mask, (uint64_t)(uintptr_t)&tracee->mask);
    return error ? error : pk_request(tracee, PTRACE_DETACH, 0, 0);
}

/// The new program is there: whatever happens to it now happens to it.
static enum pk_inject_result let_go(struct pk_tracee *tracee)
{
    const struct pk_inject_order *order = tracee->order;
    tracee->deadline = PK_NO_DEADLINE;
    int error = 0;
    pk_tell_executed(tracee->injection);
    if (order->fresh) {
        tracee->outcome->stage = PK_INJECT_STAGE_SIGNALS;
        error = pk_make_fresh(tracee);
    }
    const uint64_t mask = order->fresh ? order->blocked : tracee->mask;
    pk_request(tracee, PTRACE_SETSIGMASK, sizeof mask, (uint64_t)(uintptr_t)&mask);
    pk_request(tracee, PTRACE_DETACH, 0, 0);
    if (error < 0 && error != -ESRCH)
        tracee->outcome->unclean = -error;
    return PK_INJECT_REPLACED;
}

static enum pk_inject_result work_on(struct pk_tracee *tracee, const struct pk_status *status)
{
    enum pk_inject_refusal refusal = inspect(tracee, status);
    if (refusal != PK_REFUSAL_NONE) {
        // Of one that is killed at this moment, what was read is not true.
        if (pk_request(tracee, PTRACE_DETACH, 0, 0) == -ESRCH)
            return again;
        return refuse(tracee, refusal, refusal == PK_REFUSAL_NOT_SUPPORTED ? ENOSYS : EPERM);
    }
    int error = prepare(tracee);
    if (error == 0)
        error = pk_execute_in(tracee, status);
    if (tracee->executed)
        return let_go(tracee);
    const bool frozen = tracee->fault == -ETIMEDOUT;
    const int gone = put_back(tracee);
    if (tracee->segv_at_exec)
        return PK_INJECT_LOST;
    if (gone == -ESRCH)
        return again;
    if (gone) {
        // The end of this thread kills it.
        tracee->outcome->error = -gone;
        return PK_INJECT_LOST;
    }
    if (frozen)
        return refuse(tracee, PK_REFUSAL_FROZEN, EBUSY);
    if (tracee->outcome->refusal != PK_REFUSAL_NONE)
        return refuse(tracee, (enum pk_inject_refusal)tracee->outcome->refusal, -error);
    return fail(tracee, error);
}

/// One try, from the choice of a thread to the end.
static enum pk_inject_result attempt(struct pk_tracee *tracee)
{
    bool attached = false;
    const enum pk_inject_result result = attach(tracee, &attached);
    if (!attached)
        return result;
    tracee->outcome->stage = PK_INJECT_STAGE_STOP;
    int error = pk_to_event_stop(tracee, false);
    if (error == -ETIMEDOUT)
        return does_not_stop(tracee);
    tracee->outcome->stage = PK_INJECT_STAGE_CREDENTIALS;
    if (error == 0)
        error = pk_registers_get(tracee->tid, &tracee->found);
    if (error == 0)
        error = pk_request(tracee, PTRACE_GETSIGMASK, sizeof tracee->mask, (uint64_t)(uintptr_t)&tracee->mask);
    struct pk_status status;
    if (error == 0)
        error = pk_status_read(tracee->tid, &status);
    if (error == -ESRCH)
        return again;
    if (error) {
        pk_request(tracee, PTRACE_DETACH, 0, 0);
        return fail(tracee, error);
    }
    const enum pk_inject_result done = work_on(tracee, &status);
    pk_status_free(&status);
    free(tracee->vectors);
    return done;
}

enum pk_inject_result pk_inject_run(struct pk_injection *injection, const struct pk_inject_order *order,
                                    struct pk_inject_outcome *outcome)
{
    const struct pk_tracee fresh = {
        .injection = injection,
        .order = order,
        .outcome = outcome,
        .deadline = pk_monotonic_ms() + order->deadline_ms,
        .options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD,
        .home = -1,
    };
    struct pk_tracee tracee = fresh;
    enum pk_inject_result result;
    while ((result = attempt(&tracee)) == again) {
        if (pk_monotonic_ms() >= fresh.deadline) {
            result = fail(&tracee, -ETIMEDOUT);
            break;
        }
        pk_take_ended_threads(order->pid);
        tracee = fresh;
        pause_for(200000);
    }
    return result;
}
