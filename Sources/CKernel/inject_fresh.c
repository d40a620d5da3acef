// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>

// execve(2) keeps ignored and pending signals, interval timers, and modes of descriptions: all that of a program the
// new one knows nothing of. It is cleared in the new image before its first instruction, where nothing can fail for
// want of anything, and nothing need be put back.

/// What is at its stack pointer: room below it, which execve has mapped.
struct notes {
    uint64_t zeros[8];   ///< SIG_DFL, no flags, nothing masked; also an itimerval(3) that is off
    uint64_t ignores[8]; ///< SIG_IGN, likewise. The kernel's struct sigaction of 32 bits begins with the same bytes
};

enum { RED_ZONE = 512 };

struct numbers {
    long rt_sigaction, setitimer, fcntl;
};

static const struct numbers native = {SYS_rt_sigaction, SYS_setitimer, SYS_fcntl};
/// i386 (the kernel's syscall_32.tbl).
static const struct numbers compat = {174, 104, 55};

struct image {
    struct pk_tracee *tracee;
    const struct numbers *numbers;
    uint64_t notes;
};

static int act(const struct image *image, int signal, bool ignore)
{
    const uint64_t action = image->notes + (ignore ? offsetof(struct notes, ignores) : offsetof(struct notes, zeros));
    return (int)pk_remote(image->tracee, image->numbers->rt_sigaction, signal, (long)action, 0, sizeof(uint64_t));
}

static int set_signals(const struct image *image)
{
    struct pk_tracee *tracee = image->tracee;
    int error = 0;
    uint64_t ignored = tracee->ignored;
    // Other threads may have changed that until their end.
    if (tracee->had_threads) {
        struct pk_status status;
        if ((error = pk_status_read(tracee->tid, &status)))
            return error;
        pk_status_free(&status);
        ignored = status.ignored;
    }
    // What the old program had blocked and was waiting then. What comes from now on is the new one's.
    const uint64_t stale = tracee->pending & tracee->mask, wanted = tracee->order->ignored;
    for (int signal = 1; signal <= 64 && error >= 0; signal++) {
        const uint64_t bit = 1ULL << (signal - 1);
        if (signal == SIGKILL || signal == SIGSTOP)
            continue;
        // To ignore a signal discards those that wait (sigaction(2)).
        const bool discard = stale & bit;
        if (discard || (wanted & bit && !(ignored & bit)))
            error = act(image, signal, true);
        if (error >= 0 && !(wanted & bit) && (discard || ignored & bit))
            error = act(image, signal, false);
    }
    return error;
}

static int stop_timers(const struct image *image)
{
    static const int timers[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    for (unsigned i = 0; i < sizeof timers / sizeof *timers; i++) {
        long result = pk_remote(image->tracee, image->numbers->setitimer, timers[i],
                                (long)(image->notes + offsetof(struct notes, zeros)), 0);
        if (result < 0)
            return (int)result;
    }
    return 0;
}

static int make_blocking(const struct image *image)
{
    for (int number = 0; number < 3; number++) {
        if (!(image->tracee->made_nonblocking >> number & 1))
            continue;
        const long flags = pk_remote(image->tracee, image->numbers->fcntl, number, F_GETFL);
        if (flags >= 0)
            pk_remote(image->tracee, image->numbers->fcntl, number, F_SETFL, flags & ~O_NONBLOCK);
    }
    return image->tracee->fault;
}

int pk_make_fresh(struct pk_tracee *tracee)
{
    // From the event inside execve to its end, where registers may be changed.
    int stop = pk_to_call_stop(tracee, false);
    if (stop < 0)
        return stop;
    struct pk_registers start;
    int error = pk_registers_get(tracee->tid, &start);
    if (error)
        return error;
    const bool is_compat = pk_registers_compat(&start);
    tracee->found = start;
    tracee->instruction = pk_find_instruction(tracee, is_compat);
    if (tracee->instruction == 0)
        return -ENOSYS;
    const struct notes notes = {.ignores = {(uintptr_t)SIG_IGN}};
    const struct image image = {
        .tracee = tracee,
        .numbers = is_compat ? &compat : &native,
        .notes = (pk_registers_sp(&start) - RED_ZONE - sizeof notes) & ~15ULL,
    };
    error = pk_write_memory(tracee, image.notes, &notes, sizeof notes);
    if (error >= 0)
        error = set_signals(&image);
    if (error >= 0)
        error = stop_timers(&image);
    if (error >= 0)
        error = make_blocking(&image);
    const int restored = tracee->fault ? tracee->fault : pk_registers_set(tracee->tid, &start);
    return error < 0 ? error : restored;
}
