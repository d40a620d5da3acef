// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_tracee.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

// The tracer thread: a tracer is a thread (ptrace(2)), and its end lets go of all that it traced.

struct pk_injection {
    const struct pk_inject_order *order;
    struct pk_inject_outcome *outcome;
    pthread_t thread;
    pid_t tid; ///< its number
    int done; ///< an eventfd(2)
    sem_t go; ///< ends the pause
};

/// Tells the loop that there is something to see in `outcome`.
static void tell(const struct pk_injection *injection)
{
    const uint64_t one = 1;
    // The counter of an eventfd has room for it.
    ssize_t written = write(injection->done, &one, sizeof one);
    (void)written;
}

void pk_tell_executed(struct pk_injection *injection)
{
    injection->outcome->executed = 1;
    if (!injection->order->pause_at_exec)
        return;
    tell(injection);
    sem_wait(&injection->go);
}

static void *run(void *argument)
{
    struct pk_injection *injection = argument;
    injection->tid = gettid();
    // Pauses between looks at the child are shorter than the 50 us that timers are otherwise rounded to.
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    prctl(PR_SET_NAME, "tracer", 0, 0, 0);
    const enum pk_inject_result result = pk_inject_run(injection, injection->order, injection->outcome);
    injection->outcome->result = (int32_t)result;
    tell(injection);
    return NULL;
}

/// Every signal is blocked in it from its birth on: they are for the loop.
static int start_thread(struct pk_injection *injection)
{
    enum { STACK = 128 * 1024 };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&injection->thread, &attributes, run, injection);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

int pk_inject_begin(const struct pk_inject_order *order, struct pk_inject_outcome *outcome,
                    struct pk_injection **injection)
{
    *outcome = (struct pk_inject_outcome){0};
    struct pk_injection *new = malloc(sizeof *new);
    if (!new)
        return -ENOMEM;
    *new = (struct pk_injection){.order = order, .outcome = outcome, .done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    sem_init(&new->go, 0, 0);
    const int error = new->done < 0 ? -errno : start_thread(new);
    if (error) {
        if (new->done >= 0)
            close(new->done);
        free(new);
        return error;
    }
    *injection = new;
    return 0;
}

int pk_inject_descriptor(const struct pk_injection *injection)
{
    return injection->done;
}

void pk_inject_go(struct pk_injection *injection)
{
    uint64_t told;
    ssize_t taken = read(injection->done, &told, sizeof told);
    (void)taken;
    sem_post(&injection->go);
}

void pk_inject_end(struct pk_injection *injection)
{
    pthread_join(injection->thread, NULL);
    // Joined, it is still on its way out; what it has in its hands the kernel lets go of there.
    while (tgkill(getpid(), injection->tid, 0) == 0)
        sched_yield();
    sem_destroy(&injection->go);
    close(injection->done);
    free(injection);
}
