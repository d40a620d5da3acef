// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <malloc.h>

void pk_memory_returns(void)
{
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
}
