// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Whether the kernel would silently take something from a program because this server traces it: the privileges of a
// set-uid one (execve(2)), or our view of one that may not be read (ptrace(2)). The file that counts is the last: of a
// script it is the interpreter, or the interpreter's.

enum {
    INTERPRETERS_MOST = 5, ///< the kernel's own limit (exec_binprm())
    FIRST_LINE_MOST = 256, ///< BINPRM_BUF_SIZE
};

/// What is in the scratch page; addresses as the tracee has them.
struct sheet {
    struct statx file;
    char capability[32];
    char line[FIRST_LINE_MOST + 1];
    char interpreter[FIRST_LINE_MOST + 1];
};

static uint64_t place(const struct pk_tracee *tracee, size_t offset)
{
    return pk_scratch(tracee) + offset;
}

static bool may(struct pk_tracee *tracee, uint64_t path, int mode)
{
    return pk_remote(tracee, SYS_faccessat, AT_FDCWD, (long)path, mode) == 0;
}

/// The path behind "#!" in the first line, to stand in place of `line`. False: it is no script.
static bool parse_interpreter(char *line)
{
    if (line[0] != '#' || line[1] != '!')
        return false;
    const char *from = line + 2 + strspn(line + 2, " \t");
    const size_t length = strcspn(from, " \t\n");
    memmove(line, from, length);
    line[length] = 0;
    return length > 0;
}

/// Has the tracee read the first line; it may see other files than we do. The interpreter's path is then in the sheet.
static bool find_interpreter(struct pk_tracee *tracee, uint64_t path)
{
    const uint64_t at = place(tracee, offsetof(struct sheet, line));
    const long file =
        pk_remote(tracee, SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return false;
    const long size = pk_remote(tracee, SYS_read, file, (long)at, FIRST_LINE_MOST);
    pk_remote(tracee, SYS_close, file);
    char line[FIRST_LINE_MOST + 1] = {0};
    return size > 0 && size <= FIRST_LINE_MOST && pk_read_memory(tracee, at, line, (uint64_t)size) == 0 &&
           parse_interpreter(line) &&
           pk_write_memory(tracee, place(tracee, offsetof(struct sheet, interpreter)), line, strlen(line) + 1) == 0;
}

static bool has_privileges(struct pk_tracee *tracee, uint64_t path, const struct statx *file,
                           const struct pk_status *status)
{
    // There are none to lose.
    if (status->no_new_privileges)
        return false;
    if ((file->stx_mode & S_ISUID) && file->stx_uid != status->uids[1])
        return true;
    if ((file->stx_mode & S_ISGID) && (file->stx_mode & S_IXGRP) && file->stx_gid != status->gids[1])
        return true;
    static const char capability[] = "security.capability";
    const uint64_t name = place(tracee, offsetof(struct sheet, capability));
    return pk_write_memory(tracee, name, capability, sizeof capability) == 0 &&
           pk_remote(tracee, SYS_getxattr, (long)path, (long)name, 0, 0) > 0;
}

enum pk_inject_refusal pk_judge_target(struct pk_tracee *tracee, uint64_t path, const struct pk_status *status)
{
    const uint64_t at = place(tracee, offsetof(struct sheet, file));
    for (int depth = 0; depth <= INTERPRETERS_MOST; depth++) {
        struct statx file;
        // What cannot be executed is for execve to say.
        if (!may(tracee, path, X_OK) ||
            pk_remote(tracee, SYS_statx, AT_FDCWD, (long)path, 0, STATX_BASIC_STATS, (long)at) != 0 ||
            pk_read_memory(tracee, at, &file, sizeof file) != 0 || !S_ISREG(file.stx_mode))
            return PK_REFUSAL_NONE;
        const bool readable = may(tracee, path, R_OK);
        if (readable && find_interpreter(tracee, path)) {
            path = place(tracee, offsetof(struct sheet, interpreter));
            continue;
        }
        if (has_privileges(tracee, path, &file, status))
            return PK_REFUSAL_TARGET_SETUID;
        return tracee->order->fresh && !readable ? PK_REFUSAL_TARGET_UNREADABLE : PK_REFUSAL_NONE;
    }
    return PK_REFUSAL_NONE;
}
