// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/// The whole of a file of the kernel's, ended by NUL; malloc(3). NULL: errno says why.
static char *read_whole(int file)
{
    size_t size = 0, room = 4096;
    char *text = malloc(room);
    while (text) {
        ssize_t count = read(file, text + size, room - size - 1);
        if (count <= 0) {
            if (count < 0) {
                free(text);
                return NULL;
            }
            text[size] = 0;
            return text;
        }
        size += (size_t)count;
        if (room - size < 2048) {
            room *= 2;
            char *grown = realloc(text, room);
            if (!grown)
                free(text);
            text = grown;
        }
    }
    errno = ENOMEM;
    return NULL;
}

/// The value behind "\nName:", or "".
static const char *field(const char *text, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "\n%s:", name);
    const char *at = strstr(text, key);
    return at ? at + strlen(key) : "";
}

static uint64_t number(const char *text, const char *name, int base)
{
    return strtoull(field(text, name), NULL, base);
}

static void four_ids(const char *text, const char *name, uint32_t ids[4])
{
    char *at = (char *)(uintptr_t)field(text, name);
    for (int i = 0; i < 4; i++)
        ids[i] = (uint32_t)strtoul(at, &at, 10);
}

static int read_groups(const char *text, struct pk_status *status)
{
    const char *at = field(text, "Groups");
    const size_t length = strcspn(at, "\n");
    status->groups = malloc((length / 2 + 1) * sizeof *status->groups);
    if (!status->groups)
        return -ENOMEM;
    const char *end = at + length;
    for (;;) {
        char *next;
        const unsigned long group = strtoul(at, &next, 10);
        if (next == at || next > end)
            return 0;
        status->groups[status->group_count++] = (uint32_t)group;
        at = next;
    }
}

int pk_status_read(pid_t tid, struct pk_status *status)
{
    *status = (struct pk_status){0};
    char path[40] = "/proc/thread-self/status";
    if (tid != 0)
        snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    struct stat owner;
    char *text = fstat(file, &owner) == 0 ? read_whole(file) : NULL;
    int error = text ? 0 : -errno;
    close(file);
    if (error)
        return error;
    status->file_owner = owner.st_uid;
    const char *state = field(text, "State");
    status->state = state[strspn(state, "\t ")];
    four_ids(text, "Uid", status->uids);
    four_ids(text, "Gid", status->gids);
    status->pending = number(text, "SigPnd", 16) | number(text, "ShdPnd", 16);
    status->ignored = number(text, "SigIgn", 16);
    status->permitted = number(text, "CapPrm", 16);
    status->effective = number(text, "CapEff", 16);
    status->bounding = number(text, "CapBnd", 16);
    status->ambient = number(text, "CapAmb", 16);
    status->tracer = (uint32_t)number(text, "TracerPid", 10);
    status->threads = (uint32_t)number(text, "Threads", 10);
    status->seccomp = (uint32_t)number(text, "Seccomp", 10);
    status->seccomp_filters = (uint32_t)number(text, "Seccomp_filters", 10);
    status->no_new_privileges = (uint32_t)number(text, "NoNewPrivs", 10);
    error = read_groups(text, status);
    free(text);
    return error;
}

void pk_status_free(struct pk_status *status)
{
    free(status->groups);
    status->groups = NULL;
}

/// The beginning of a file, as much as there is room for, ended by NUL. False: there is none.
static bool read_start(const char *path, char *text, size_t room)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    const ssize_t size = read(file, text, room - 1);
    close(file);
    text[size > 0 ? size : 0] = 0;
    return size > 0;
}

/// The state letter of a thread (proc_pid_stat(5)), or 0.
static char thread_state(pid_t pid, pid_t tid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)tid);
    if (!read_start(path, text, sizeof text))
        return 0;
    // The name before it may hold anything, but no parenthesis comes after it.
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' ? name_end[2] : 0;
}

static bool lives(char state)
{
    return state != 0 && state != 'Z' && state != 'X' && state != 'x';
}

bool pk_uninterruptible(pid_t tid)
{
    return thread_state(tid, tid) == 'D';
}

pid_t pk_pick_thread(pid_t pid)
{
    const char leader = thread_state(pid, pid);
    if (lives(leader) && leader != 'D')
        return pid;
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    pid_t best = lives(leader) ? pid : -ESRCH;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        const pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        const char state = tid > 0 && tid != pid ? thread_state(pid, tid) : 0;
        if (!lives(state))
            continue;
        best = best > 0 && state == 'D' ? best : tid;
        if (state != 'D')
            break;
    }
    if (tasks)
        closedir(tasks);
    return best;
}

long pk_descriptor_flags(pid_t tid, int number)
{
    char path[40], text[128];
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)tid, number);
    const char *flags = read_start(path, text, sizeof text) ? field(text, "flags") : "";
    return *flags ? strtol(flags, NULL, 8) : -1;
}

bool pk_in_vfork(pid_t tid)
{
    char path[32], text[256];
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)tid);
    if (!read_start(path, text, sizeof text))
        return false;
    char *end;
    const long call = strtol(text, &end, 10);
    if (end == text)
        return false;
#ifdef SYS_vfork
    if (call == SYS_vfork)
        return true;
#endif
    return call == SYS_clone || call == SYS_clone3;
}
