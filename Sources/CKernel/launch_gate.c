// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "image.h"
#include "launch_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>

// A held child at its gate: it has a copy of the server's memory, no libc, and three descriptors of its own.

struct received {
    struct pk_gate_order order;
    int32_t image, cwd;
    bool truncated;
};

/// Receives one order. False at the end of input: the server has gone.
NO_SANITIZER static bool receive(int32_t gate, struct received *received)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = &received->order, .iov_len = sizeof received->order};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    long count;
    do
        count = pk_raw(SYS_recvmsg, gate, &message, MSG_CMSG_CLOEXEC);
    while (count == -EINTR);
    received->image = received->cwd = -1;
    if (count != (long)sizeof received->order)
        return false;
    const unsigned wanted = received->order.has_image + received->order.has_cwd;
    const bool complete = message.msg_controllen >= CMSG_LEN(wanted * sizeof(int)) &&
                          control.header.cmsg_type == SCM_RIGHTS &&
                          control.header.cmsg_len >= CMSG_LEN(wanted * sizeof(int));
    // Fewer than were sent: the program's own RLIMIT_NOFILE leaves no room for them.
    received->truncated = wanted > 0 && !complete;
    const int *descriptors = (const int *)CMSG_DATA(&control.header);
    const size_t given = message.msg_controllen >= sizeof control.header
                             ? (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int)
                             : 0;
    if (received->order.has_image && given > 0)
        received->image = *descriptors++;
    if (received->order.has_cwd && given > received->order.has_image)
        received->cwd = *descriptors;
    return true;
}

NO_SANITIZER static int map_image(const struct received *received, struct pk_image *image)
{
    long block = pk_raw(SYS_mmap, 0, received->order.image_size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
                        received->image, 0);
    if (block < 0 && block > -4096)
        return (int)block;
    pk_image_unpack((void *)block, image);
    return 0;
}

NO_SANITIZER static void ignore(uint64_t ignored)
{
    for (int number = 1; number <= 64; number++) {
        struct kernel_sigaction action = {
            .handler = (uintptr_t)((ignored >> (number - 1)) & 1 ? SIG_IGN : SIG_DFL)};
        pk_raw(SYS_rt_sigaction, number, &action, 0, sizeof action.mask);
    }
}

/// Tries to become the program. Returns -errno when it stays held.
NO_SANITIZER static int obey(const struct pk_launch *launch, const struct received *received, int32_t home,
                             struct pk_outcome *outcome)
{
    struct pk_image image = launch->image;
    image.cwd = NULL;
    outcome->stage = PK_STAGE_GATE;
    outcome->index = 0;
    if (received->truncated)
        return -EMFILE;
    if (received->order.has_image) {
        int error = map_image(received, &image);
        if (error)
            return error;
    }
    outcome->stage = PK_STAGE_CWD;
    long changed = received->cwd >= 0 ? pk_raw(SYS_fchdir, received->cwd)
                   : image.cwd        ? pk_raw(SYS_chdir, image.cwd)
                                      : 0;
    int error = (int)changed;
    if (error == 0) {
        if (received->order.set_signals)
            ignore(received->order.ignored);
        outcome->stage = PK_STAGE_EXEC;
        error = pk_step_exec(&image, received->order.set_signals ? received->order.blocked : launch->blocked,
                             &outcome->index);
    }
    // Not started: as it was, for the next order.
    uint64_t all = ~0ULL;
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof all);
    if (received->order.set_signals)
        ignore(launch->ignored);
    pk_raw(SYS_fchdir, home);
    if (received->order.has_image && image.candidates != launch->image.candidates)
        pk_raw(SYS_munmap, (char *)image.candidates - sizeof(struct pk_packed_image), received->order.image_size);
    return error;
}

NO_SANITIZER void pk_step_gate(struct pk_slab *slab, int32_t gate)
{
    const struct pk_launch *launch = slab->launch;
    long opened = pk_raw(SYS_openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    int32_t home = (int32_t)opened;
    const int floor = pk_above_targets(launch);
    if (opened >= 0 && opened < floor) {
        home = (int32_t)pk_raw(SYS_fcntl, opened, F_DUPFD_CLOEXEC, floor);
        pk_raw(SYS_close, opened);
    }

    struct received received;
    for (;;) {
        // A signal acts on a held process as on any other.
        uint64_t blocked = launch->blocked;
        pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, 0, sizeof blocked);
        if (!receive(gate, &received))
            return;
        int error = obey(launch, &received, home, &slab->outcome);
        if (received.image >= 0)
            pk_raw(SYS_close, received.image);
        if (received.cwd >= 0)
            pk_raw(SYS_close, received.cwd);
        slab->outcome.error = -error;
        slab->outcome.failed = 1;
        if (pk_raw(SYS_write, gate, "f", 1) != 1)
            return;
    }
}
