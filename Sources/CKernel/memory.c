// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <malloc.h>

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
