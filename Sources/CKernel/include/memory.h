// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_MEMORY_H
#define CKERNEL_MEMORY_H

#include <stddef.h>

/// Makes free give large pieces back at once, whatever was freed before (mallopt(3)): glibc otherwise raises the size
/// from which memory is mapped on its own, and after a crowd of subscribers the heap stays as large as it ever was.
void pk_memory_returns(void);

/// Bytes of the heap that are free and still ours (mallinfo(3)).
size_t pk_memory_unused(void);

/// Gives every whole free page of the heap back (malloc_trim(3)). free alone gives back what lies above the highest
/// piece in use: one small piece at the top keeps everything below it.
void pk_memory_give_back(void);

/// Gives the code that has been used so far back (madvise(2), MADV_DONTNEED). What is needed again comes back from the
/// page cache; most of what a start needs is not.
void pk_code_give_back(void);

#endif
