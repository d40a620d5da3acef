// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_ANCILLARY_H
#define CKERNEL_ANCILLARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// The most descriptors one message may carry (SCM_MAX_FD in the kernel, unix(7)).
enum { PK_DESCRIPTORS_MAX = 253 };

/// Sends `length` bytes with `count` descriptors attached to the first of them (sendmsg(2), SCM_RIGHTS),
/// never raising SIGPIPE. Returns the number of bytes taken, or -errno.
ssize_t pk_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, size_t count);

/// Receives up to `capacity` bytes and up to PK_DESCRIPTORS_MAX descriptors, all born close-on-exec
/// (MSG_CMSG_CLOEXEC). `descriptors` has room for PK_DESCRIPTORS_MAX. `*truncated` is set when the kernel had
/// to drop some (MSG_CTRUNC). Returns the number of bytes, 0 at the end of input, or -errno.
ssize_t pk_receive_descriptors(int socket, void *bytes, size_t capacity, int *descriptors, size_t *count,
                               bool *truncated);

/// The credentials the peer had when it connected (SO_PEERCRED, unix(7)). Returns 0 or -errno.
int pk_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid);

/// Whether the process of those credentials, which has connected, has not ended: its pid is no other's (SO_PEERPIDFD,
/// Linux 6.5; before that there is no telling).
bool pk_peer_lives(int socket);

/// The next connection of a listening socket, close-on-exec and non-blocking (accept4(2)). The descriptor, or
/// -errno.
int pk_accept(int listener);

#endif
