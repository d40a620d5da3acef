// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "image.h"
#include "inject_tracee.h"
#include "search.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// The image where the tracee has it: addresses in its memory.
struct remote_image {
    const uint64_t *candidates; ///< ours to read; ends with 0
    uint64_t argv, envp, cwd;
};

static bool is_error(long result)
{
    return result < 0 && result > -4096;
}

/// Makes room in memory of its own: what lies below its stack pointer may be somebody's (coroutines, signal stacks).
static int make_room(struct pk_tracee *tracee, uint64_t image_size)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t size = (image_size + PK_SCRATCH + page - 1) / page * page;
    const long address = pk_remote(tracee, SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tracee->fault || is_error(address))
        return (int)address;
    tracee->memory = (uint64_t)address;
    tracee->memory_size = size;
    return 0;
}

/// Copies the image there, its offsets made addresses.
static int copy_image(struct pk_tracee *tracee, void *copy, struct remote_image *image)
{
    const uint64_t size = tracee->order->image_size;
    memcpy(copy, tracee->order->image, size);
    struct pk_packed_image *head = copy;
    uint64_t *words = (uint64_t *)(head + 1);
    for (uint64_t i = 0; i < head->words; i++)
        if (words[i] != 0)
            words[i] += tracee->memory;
    const uint64_t first = tracee->memory + sizeof *head;
    *image = (struct remote_image){
        .candidates = words,
        .argv = first + head->argv * sizeof *words,
        .envp = first + head->envp * sizeof *words,
        .cwd = head->cwd ? tracee->memory + head->cwd : 0,
    };
    return pk_write_memory(tracee, tracee->memory, copy, size);
}

/// A program may have marked its own 0, 1, 2 close-on-exec (node does); a start would have given the new one its own.
static int keep_standard_descriptors(struct pk_tracee *tracee)
{
    for (int number = 0; number < 3; number++) {
        const long flags = pk_descriptor_flags(tracee->tid, number);
        if (flags < 0)
            continue;
        if (flags & O_NONBLOCK)
            tracee->made_nonblocking |= 1U << number;
        if (flags & O_CLOEXEC) {
            tracee->kept_open |= 1U << number;
            pk_remote(tracee, SYS_fcntl, number, F_SETFD, 0);
        }
    }
    return tracee->fault;
}

static long execute(struct pk_tracee *tracee, uint64_t path, const struct remote_image *image)
{
    long result;
    for (int tries = 0;; tries++) {
        result = pk_remote(tracee, SYS_execve, (long)path, (long)image->argv, (long)image->envp);
        if (result != -ETXTBSY || tries == PK_BUSY_TRIES)
            return result;
        struct timespec pause = {.tv_nsec = PK_BUSY_PAUSE_NS};
        nanosleep(&pause, NULL);
    }
}

static int search(struct pk_tracee *tracee, const struct remote_image *image, const struct pk_status *status)
{
    struct pk_inject_outcome *outcome = tracee->outcome;
    const bool judge = !pk_may_trace_all();
    struct pk_search search = {.error = -ENOENT};
    for (int32_t i = 0; image->candidates[i]; i++) {
        // Which one it is must be known also while it hangs.
        outcome->index = i;
        if (pk_monotonic_ms() >= tracee->deadline)
            return -ETIMEDOUT;
        const enum pk_inject_refusal refusal =
            judge ? pk_judge_target(tracee, image->candidates[i], status) : PK_REFUSAL_NONE;
        if (refusal != PK_REFUSAL_NONE) {
            outcome->refusal = refusal;
            return -EPERM;
        }
        const long result = execute(tracee, image->candidates[i], image);
        if (tracee->executed || tracee->fault)
            return tracee->fault;
        if (!pk_search_goes_on(&search, i, result))
            break;
    }
    outcome->index = search.index;
    return (int)search.error;
}

static int try_all(struct pk_tracee *tracee, void *copy, const struct pk_status *status)
{
    const struct pk_inject_order *order = tracee->order;
    tracee->outcome->stage = PK_INJECT_STAGE_MEMORY;
    struct remote_image image;
    int error = make_room(tracee, order->image_size);
    if (error == 0)
        error = copy_image(tracee, copy, &image);
    if (error)
        return error;
    if (order->cwd_descriptor >= 0 || image.cwd) {
        tracee->outcome->stage = PK_INJECT_STAGE_CWD;
        if ((error = pk_enter_directory(tracee, image.cwd)))
            return error;
    }
    tracee->outcome->stage = PK_INJECT_STAGE_FDS;
    if (order->fresh && (error = keep_standard_descriptors(tracee)))
        return error;
    tracee->outcome->stage = PK_INJECT_STAGE_EXEC;
    return search(tracee, &image, status);
}

/// Takes back what was done, in the opposite order.
static void undo(struct pk_tracee *tracee)
{
    if (tracee->memory == 0 || tracee->fault == -ESRCH)
        return;
    // Half a way back is none: however long it takes it to run.
    tracee->fault = 0;
    tracee->deadline = PK_NO_DEADLINE;
    for (int number = 0; number < 3; number++)
        if (tracee->kept_open >> number & 1)
            pk_remote(tracee, SYS_fcntl, number, F_SETFD, FD_CLOEXEC);
    pk_leave_directory(tracee);
    pk_remote(tracee, SYS_munmap, (long)tracee->memory, (long)tracee->memory_size);
    tracee->memory = 0;
    tracee->kept_open = 0;
}

int pk_execute_in(struct pk_tracee *tracee, const struct pk_status *status)
{
    void *copy = malloc(tracee->order->image_size);
    if (!copy)
        return -ENOMEM;
    int error = try_all(tracee, copy, status);
    free(copy);
    if (!tracee->executed)
        undo(tracee);
    return error;
}
