// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int pk_pipe(int *read_end, int *write_end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}

int pk_memory_file(const char *name)
{
    int descriptor = memfd_create(name, MFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int pk_close_from(unsigned first)
{
    return syscall(SYS_close_range, first, ~0U, 0) != 0 ? -errno : 0;
}

int pk_mark_close_on_exec_from(unsigned first)
{
    return syscall(SYS_close_range, first, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) != 0 ? -errno : 0;
}

/// -1: not tried yet.
static _Atomic int unshare_state = -1;

bool pk_close_range_unshare_works(void)
{
    // Above every descriptor there can be: nothing is closed, and a table that nobody shares is not copied. A thread of
    // ours would share it, and close descriptors in another table from then on: it is tried once, when there is none.
    if (atomic_load(&unshare_state) < 0)
        atomic_store(&unshare_state, syscall(SYS_close_range, ~0U - 1, ~0U, 2 /* CLOSE_RANGE_UNSHARE */) == 0);
    return atomic_load(&unshare_state) == 1;
}
