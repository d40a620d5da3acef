// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_MEMORY_H
#define CKERNEL_MEMORY_H

/// Makes free give large pieces back at once, whatever was freed before (mallopt(3)): glibc otherwise raises the size
/// from which memory is mapped on its own, and after a crowd of subscribers the heap stays as large as it ever was.
void pk_memory_returns(void);

#endif
