// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// The working directory is changed before the execve, and back if that fails. Not after it, in the new image: the
// file to execute, and the elements of PATH, may be relative, and count from the new directory as for any start.

/// What lies in the scratch page while a descriptor is received; addresses as the tracee has them.
struct letter {
    int32_t sockets[2];
    struct msghdr message;
    struct iovec vector;
    uint64_t byte;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
};

static int send_descriptor(int socket, int descriptor)
{
    struct letter letter = {0};
    struct iovec vector = {.iov_base = "d", .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &letter.control,
                             .msg_controllen = sizeof letter.control};
    letter.control.header =
        (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&letter.control.header), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/// Sends it from our copy of one socket (pidfd_getfd(2), Linux 5.6) to the other.
static int send_through(struct pk_tracee *tracee, int32_t socket)
{
    int ours = (int)syscall(SYS_pidfd_getfd, tracee->order->pidfd, socket, 0);
    if (ours < 0)
        return -errno;
    int error = send_descriptor(ours, tracee->order->cwd_descriptor);
    close(ours);
    return error;
}

static long receive(struct pk_tracee *tracee, int32_t socket)
{
    const uint64_t at = pk_scratch(tracee);
    struct letter letter = {0};
    letter.message = (struct msghdr){
        .msg_iov = (void *)(uintptr_t)(at + offsetof(struct letter, vector)),
        .msg_iovlen = 1,
        .msg_control = (void *)(uintptr_t)(at + offsetof(struct letter, control)),
        .msg_controllen = sizeof letter.control,
    };
    letter.vector =
        (struct iovec){.iov_base = (void *)(uintptr_t)(at + offsetof(struct letter, byte)), .iov_len = 1};
    long result = pk_write_memory(tracee, at, &letter, sizeof letter);
    if (result == 0)
        result = pk_remote(tracee, SYS_recvmsg, socket, (long)(at + offsetof(struct letter, message)),
                           MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (result < 0)
        return result;
    int error = pk_read_memory(tracee, at, &letter, sizeof letter);
    if (error)
        return error;
    if (letter.message.msg_flags & MSG_CTRUNC)
        return -EMFILE; // its RLIMIT_NOFILE leaves no room
    int32_t descriptor;
    memcpy(&descriptor, CMSG_DATA(&letter.control.header), sizeof descriptor);
    return descriptor;
}

/// Gives it our directory: by a socket pair of its own, for it may neither see our /proc entry nor be our user. The
/// tracee's number, or -errno.
static long hand_over(struct pk_tracee *tracee)
{
    const uint64_t at = pk_scratch(tracee);
    long result = pk_remote(tracee, SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, (long)at);
    if (result < 0)
        return result;
    int32_t sockets[2];
    int error = pk_read_memory(tracee, at, sockets, sizeof sockets);
    if (error)
        return error;
    result = send_through(tracee, sockets[0]);
    if (result == 0)
        result = receive(tracee, sockets[1]);
    pk_remote(tracee, SYS_close, sockets[0]);
    pk_remote(tracee, SYS_close, sockets[1]);
    return result;
}

static long change(struct pk_tracee *tracee, uint64_t path)
{
    if (tracee->order->cwd_descriptor < 0)
        return pk_remote(tracee, SYS_chdir, (long)path);
    const long directory = hand_over(tracee);
    if (directory < 0)
        return directory;
    const long result = pk_remote(tracee, SYS_fchdir, directory);
    pk_remote(tracee, SYS_close, directory);
    return result;
}

int pk_enter_directory(struct pk_tracee *tracee, uint64_t path)
{
    const uint64_t here = pk_scratch(tracee);
    int error = pk_write_memory(tracee, here, ".", 2);
    if (error)
        return error;
    const long home =
        pk_remote(tracee, SYS_openat, AT_FDCWD, (long)here, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (home < 0)
        return (int)home;
    tracee->home = (int32_t)home;
    return (int)change(tracee, path);
}

void pk_leave_directory(struct pk_tracee *tracee)
{
    if (tracee->home < 0)
        return;
    pk_remote(tracee, SYS_fchdir, tracee->home);
    pk_remote(tracee, SYS_close, tracee->home);
    tracee->home = -1;
}
