// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_EVENTS_H
#define CKERNEL_EVENTS_H

// epoll(7) and signalfd(2), which `import Glibc` does not show.

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/// Adds, changes or removes (EPOLL_CTL_*) a descriptor; `token` comes back with its events. 0 or -errno.
int pk_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token);

/// One ready descriptor.
struct pk_event {
    uint64_t token;
    uint32_t events;
};

/// Waits at most `timeout_ms` (-1: for ever) for up to `capacity` events. Returns their number, or -errno.
int pk_epoll_wait(int epoll, struct pk_event *events, int capacity, int timeout_ms);

/// Blocks the `count` signals and opens a descriptor that tells of them (non-blocking). The descriptor, or -errno.
int pk_signal_descriptor(const int *signals, size_t count);

/// A signal that has come, and the pid that sent it.
struct pk_signal {
    int number;
    int sender;
};

/// Takes up to `capacity` signals. Returns their number, 0 when there is none, or -errno.
int pk_take_signals(int descriptor, struct pk_signal *signals, int capacity);

#endif
