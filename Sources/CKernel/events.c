// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "events.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 256, SIGNALS_AT_ONCE = 8 };

int pk_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token)
{
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(epoll, operation, descriptor, &event) != 0 ? -errno : 0;
}

int pk_epoll_wait(int epoll, struct pk_event *events, int capacity, int timeout_ms)
{
    struct epoll_event found[EVENTS_AT_ONCE];
    int count = epoll_wait(epoll, found, capacity < EVENTS_AT_ONCE ? capacity : EVENTS_AT_ONCE, timeout_ms);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++)
        events[i] = (struct pk_event){.token = found[i].data.u64, .events = found[i].events};
    return count;
}

int pk_signal_descriptor(const int *signals, size_t count)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int pk_take_signals(int descriptor, struct pk_signal *signals, int capacity)
{
    struct signalfd_siginfo found[SIGNALS_AT_ONCE];
    if (capacity > SIGNALS_AT_ONCE)
        capacity = SIGNALS_AT_ONCE;
    ssize_t count;
    do
        count = read(descriptor, found, (size_t)capacity * sizeof found[0]);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return errno == EAGAIN ? 0 : -errno;
    count /= (ssize_t)sizeof found[0];
    for (ssize_t i = 0; i < count; i++)
        signals[i] = (struct pk_signal){.number = (int)found[i].ssi_signo, .sender = (int)found[i].ssi_pid};
    return (int)count;
}
