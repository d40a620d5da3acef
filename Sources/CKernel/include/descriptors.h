// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_DESCRIPTORS_H
#define CKERNEL_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/// A pipe, both ends close-on-exec (pipe2(2)). 0 or -errno.
int pk_pipe(int *read_end, int *write_end);

/// A file in memory, close-on-exec (memfd_create(2)). The descriptor, or -errno.
int pk_memory_file(const char *name);

/// Marks every descriptor from `first` on close-on-exec, or closes it (close_range(2), Linux 5.9; 5.11 for
/// the mark). Returns 0 or -errno.
int pk_close_from(unsigned first);
int pk_mark_close_on_exec_from(unsigned first);

/// True when close_range(2) has CLOSE_RANGE_UNSHARE (Linux 5.9), without which no child can be started: the youngest of
/// the calls that have no other way. To be asked first while there is one thread.
bool pk_close_range_unshare_works(void);

#endif
