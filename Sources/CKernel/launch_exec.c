// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "launch_child.h"
#include "search.h"

#include <signal.h>
#include <time.h>

NO_SANITIZER static long execute(const char *path, const struct pk_image *image)
{
    long result;
    for (int tries = 0;; tries++) {
        result = pk_raw(SYS_execve, path, image->argv, image->envp);
        if (result != -ETXTBSY || tries == PK_BUSY_TRIES)
            return result;
        struct timespec pause = {.tv_nsec = PK_BUSY_PAUSE_NS};
        pk_raw(SYS_nanosleep, &pause, 0);
    }
}

NO_SANITIZER int pk_step_exec(const struct pk_image *image, uint64_t blocked, volatile int32_t *index)
{
    // Last of all: a signal that came meanwhile acts on the child as it would on the program.
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, 0, sizeof blocked);
    struct pk_search search = {.error = -ENOENT};
    for (int32_t i = 0; image->candidates[i]; i++)
        if (!pk_search_goes_on(&search, i, execute(image->candidates[i], image)))
            break;
    *index = search.index;
    return (int)search.error;
}
