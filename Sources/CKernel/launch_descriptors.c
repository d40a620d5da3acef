// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "launch_child.h"

#include <errno.h>
#include <fcntl.h>

// Which descriptors the program gets, at which numbers.

/// Opens a mapping's file. O_NONBLOCK keeps a FIFO without a peer from holding the start (fifo(7): ENXIO for
/// a writer); the program gets it blocking, as it would expect.
NO_SANITIZER static int open_file(const struct pk_mapping *mapping)
{
    long opened = pk_raw(SYS_openat, AT_FDCWD, mapping->path, mapping->flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                         mapping->mode);
    if (opened < 0)
        return (int)opened;
    long flags = pk_raw(SYS_fcntl, opened, F_GETFL, 0);
    long result = flags < 0 ? flags : pk_raw(SYS_fcntl, opened, F_SETFL, flags & ~O_NONBLOCK);
    return result < 0 ? (int)result : (int)opened;
}

/// A number above every target, so that no copy overwrites a source that is still needed.
NO_SANITIZER static int lift(int descriptor, int floor)
{
    return descriptor >= floor ? descriptor : (int)pk_raw(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, floor);
}

/// Moves one of our own up there. The old number must go: it would keep the report pipe of a held child open.
NO_SANITIZER static int move(int32_t *descriptor, int floor)
{
    int moved = lift(*descriptor, floor);
    if (moved < 0)
        return moved;
    if (moved != *descriptor)
        pk_raw(SYS_close, *descriptor);
    *descriptor = moved;
    return 0;
}

NO_SANITIZER int pk_above_targets(const struct pk_launch *launch)
{
    int floor = 3;
    for (uint32_t i = 0; i < launch->mapping_count; i++)
        if (launch->mappings[i].target >= floor)
            floor = launch->mappings[i].target + 1;
    return floor;
}

NO_SANITIZER int pk_step_descriptors(const struct pk_launch *launch, int32_t *report, int32_t *gate,
                                     volatile int32_t *stage, volatile int32_t *index)
{
    const int floor = pk_above_targets(launch);
    *stage = PK_STAGE_FDS;
    int error = move(report, floor);
    if (error == 0 && *gate >= 0)
        error = move(gate, floor);
    if (error)
        return error;

    // At most the descriptors of one message, stdin, stdout and stderr.
    int32_t sources[PK_MAPPINGS_MAX];
    if (launch->mapping_count > PK_MAPPINGS_MAX)
        return -E2BIG;
    for (uint32_t i = 0; i < launch->mapping_count; i++) {
        const struct pk_mapping *mapping = &launch->mappings[i];
        *stage = mapping->stage;
        *index = (int32_t)i;
        sources[i] = -1;
        int source = mapping->path ? open_file(mapping) : mapping->source;
        if (mapping->path && source < 0)
            return source;
        if (source < 0)
            continue;
        if ((source = lift(source, floor)) < 0)
            return source;
        sources[i] = source;
    }
    for (uint32_t i = 0; i < launch->mapping_count; i++) {
        const struct pk_mapping *mapping = &launch->mappings[i];
        *stage = mapping->stage;
        *index = (int32_t)i;
        int source = sources[i] >= 0 ? sources[i] : mapping->source_target;
        long result = pk_raw(SYS_dup3, source, mapping->target, 0);
        if (result < 0)
            return (int)result;
    }
    *index = 0;
    return 0;
}
