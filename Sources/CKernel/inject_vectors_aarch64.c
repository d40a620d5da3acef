// SPDX-License-Identifier: Apache-2.0
#if defined(__aarch64__)

#define _GNU_SOURCE
#include "inject_tracee.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <asm/ptrace.h>

// A system call keeps the 128 bits that every vector register has. The rest of them and the predicates (SVE), and the
// streaming mode (SME), it may end: the kernel's Documentation/arch/arm64/sve.rst and sme.rst. A program that is taken
// in the midst of its work has not made the calls that it is made to make.

#ifndef NT_ARM_SVE
#define NT_ARM_SVE 0x405
#endif
#ifndef NT_ARM_SSVE
#define NT_ARM_SSVE 0x40b
#endif

static int get(pid_t tid, int set, void *bytes, size_t size)
{
    struct iovec vector = {.iov_base = bytes, .iov_len = size};
    return ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)set, &vector) == -1 ? -errno : 0;
}

/// Keeps the set, if it is the one in use; otherwise leaves it.
static int keep(struct pk_tracee *tracee, int set)
{
    struct user_sve_header head;
    // No such processor, or no such kernel.
    if (get(tracee->tid, set, &head, sizeof head) != 0 || (head.flags & SVE_PT_REGS_MASK) != SVE_PT_REGS_SVE)
        return 0;
    void *vectors = malloc(head.size);
    if (!vectors)
        return -ENOMEM;
    const int error = get(tracee->tid, set, vectors, head.size);
    if (error) {
        free(vectors);
        return error;
    }
    tracee->vectors = vectors;
    tracee->vectors_set = set;
    return 0;
}

int pk_vectors_keep(struct pk_tracee *tracee)
{
    const int error = keep(tracee, NT_ARM_SSVE);
    return error || tracee->vectors ? error : keep(tracee, NT_ARM_SVE);
}

int pk_vectors_put_back(struct pk_tracee *tracee)
{
    if (!tracee->vectors)
        return 0;
    const struct user_sve_header *head = tracee->vectors;
    struct iovec vector = {.iov_base = tracee->vectors, .iov_len = head->size};
    const long set = tracee->vectors_set;
    return ptrace(PTRACE_SETREGSET, tracee->tid, (void *)set, &vector) == -1 ? -errno : 0;
}

#endif
