// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "launch_child.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

// The search along PATH, as execvp(3) does it, with the candidates made by the server.

/// ETXTBSY: some other process that forked while the file was open for writing has not come to its own execve
/// yet. It passes within milliseconds.
enum { BUSY_TRIES = 100, BUSY_PAUSE_NS = 1000000 };

NO_SANITIZER static long execute(const char *path, const struct pk_image *image)
{
    long result;
    for (int tries = 0;; tries++) {
        result = pk_raw(SYS_execve, path, image->argv, image->envp);
        if (result != -ETXTBSY || tries == BUSY_TRIES)
            return result;
        struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
        pk_raw(SYS_nanosleep, &pause, 0);
    }
}

/// The errors after which execvp(3) tries the next directory.
NO_SANITIZER static bool goes_on(long error)
{
    return error == -ENOENT || error == -ENOTDIR || error == -EACCES || error == -ESTALE || error == -ENODEV ||
           error == -ETIMEDOUT;
}

NO_SANITIZER int pk_step_exec(const struct pk_image *image, uint64_t blocked, volatile int32_t *index)
{
    // Last of all: a signal that came meanwhile acts on the child as it would on the program.
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, 0, sizeof blocked);
    long last = -ENOENT;
    int32_t last_index = 0;
    bool denied = false;
    for (int32_t i = 0; image->candidates[i]; i++) {
        long result = execute(image->candidates[i], image);
        if (!denied || !goes_on(result)) {
            last = result;
            last_index = i;
        }
        denied |= result == -EACCES;
        if (!goes_on(result))
            break;
    }
    *index = last_index;
    return (int)last;
}
