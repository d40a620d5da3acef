// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "memory.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void pk_memory_returns(void)
{
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

size_t pk_memory_unused(void)
{
    return mallinfo2().fordblks;
}

void pk_memory_give_back(void)
{
    malloc_trim(0);
}

// Set by the linker: etext(3), and where the program begins.
extern const char __executable_start[], etext[];

void pk_code_give_back(void)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = (uintptr_t)__executable_start / page * page, to = (uintptr_t)etext / page * page;
    madvise((void *)from, to - from, MADV_DONTNEED);
}
