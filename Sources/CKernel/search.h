// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_SEARCH_H
#define CKERNEL_SEARCH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

// The rules of a search along PATH, as execvp(3) has them. The server makes the candidates; a child at its start
// tries them, or a traced one is made to.

/// ETXTBSY: some other process that forked while the file was open for writing has not come to its own execve
/// yet. It passes within milliseconds.
enum { PK_BUSY_TRIES = 100, PK_BUSY_PAUSE_NS = 1000000 };

/// What the search will say when nothing was found. Starts as {.error = -ENOENT}.
struct pk_search {
    long error; ///< -errno
    int32_t index;
    bool denied;
};

/// Notes that candidate `index` failed with `error`; whether the next one is to be tried.
__attribute__((no_sanitize("address", "thread"))) static inline bool
pk_search_goes_on(struct pk_search *search, int32_t index, long error)
{
    const bool goes_on = error == -ENOENT || error == -ENOTDIR || error == -EACCES || error == -ESTALE ||
                         error == -ENODEV || error == -ETIMEDOUT;
    // The first one that may not be executed is what is told, unless the search ends for another reason.
    if (!search->denied || !goes_on) {
        search->error = error;
        search->index = index;
    }
    search->denied |= error == -EACCES;
    return goes_on;
}

#endif
