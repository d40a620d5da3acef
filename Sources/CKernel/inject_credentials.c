// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_status.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Whose program it is. Without these checks a set-uid program, started by a user through a server of root's, would
// run whatever that user likes: the tracer is root, and the kernel lets it.

static bool has_group(const struct pk_credentials *started, uint32_t group)
{
    if (group == started->gid)
        return true;
    for (uint32_t i = 0; i < started->group_count; i++)
        if (started->groups[i] == group)
            return true;
    return false;
}

static bool has_ids(const struct pk_status *status, const struct pk_credentials *started)
{
    // Root could have taken any id, and given all up.
    if (started->uid == 0)
        return true;
    for (int i = 0; i < 4; i++)
        if (status->uids[i] != started->uid || !has_group(started, status->gids[i]))
            return false;
    for (uint32_t i = 0; i < status->group_count; i++)
        if (!has_group(started, status->groups[i]))
            return false;
    return true;
}

static struct stat our_user_namespace;
static pthread_once_t looked_up = PTHREAD_ONCE_INIT;

/// This process never leaves the one it was started in. A kernel without namespaces has no such file.
static void look_up(void)
{
    if (stat("/proc/thread-self/ns/user", &our_user_namespace) != 0)
        our_user_namespace.st_ino = 0;
}

/// In a user namespace of its own a process has all capabilities there (user_namespaces(7)).
static bool in_our_user_namespace(pid_t tid)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)tid);
    pthread_once(&looked_up, look_up);
    struct stat theirs;
    if (stat(path, &theirs) != 0)
        return errno == ENOENT && our_user_namespace.st_ino == 0;
    return theirs.st_ino == our_user_namespace.st_ino && theirs.st_dev == our_user_namespace.st_dev;
}

bool pk_status_allows(const struct pk_status *status, pid_t tid, const struct pk_credentials *started)
{
    return has_ids(status, started) && (status->permitted & ~started->capabilities) == 0 &&
           in_our_user_namespace(tid);
}

bool pk_status_dumpable(const struct pk_status *status)
{
    // The files of a process that is not are root's. For a process of root's own it cannot be told, and gives nothing.
    return status->file_owner == status->uids[1];
}

bool pk_may_trace_all(void)
{
    // capget(2), which libc does not declare.
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_SYS_PTRACE & 1);
}

/// kernel.yama.ptrace_scope, or 0 where there is no Yama.
static int ptrace_scope(void)
{
    int file = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    char digit = '0';
    const ssize_t size = read(file, &digit, 1);
    close(file);
    return size == 1 ? digit - '0' : 0;
}

enum pk_inject_refusal pk_explain_refusal(const struct pk_status *status, pid_t tid,
                                          const struct pk_credentials *started)
{
    if (status->tracer != 0)
        return PK_REFUSAL_TRACED;
    if (!has_ids(status, started) || (status->permitted & ~started->capabilities) != 0)
        return PK_REFUSAL_CREDENTIALS;
    if (!pk_status_dumpable(status))
        return PK_REFUSAL_NOT_DUMPABLE;
    // 1 lets a parent trace, 2 only CAP_SYS_PTRACE, 3 nobody (the kernel's LSM/Yama).
    const int scope = ptrace_scope();
    if (scope >= 3 || (scope == 2 && !pk_may_trace_all()))
        return PK_REFUSAL_YAMA;
    return in_our_user_namespace(tid) ? PK_REFUSAL_NO_PERMISSION : PK_REFUSAL_CREDENTIALS;
}

uint64_t pk_capabilities_of_child(uint32_t uid)
{
    struct pk_status self;
    if (pk_status_read(0, &self) != 0)
        return 0;
    pk_status_free(&self);
    // execve gives root all that the bounding set leaves; others only keep what is ambient, and a change from root
    // to another id clears that (capabilities(7)).
    if (uid == 0)
        return self.bounding;
    return self.uids[1] == 0 ? 0 : self.ambient;
}
