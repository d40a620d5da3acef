// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_IMAGE_H
#define CKERNEL_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "launch.h"

/// The head of a packed image: one block that holds what execve needs, with offsets from its start where
/// pointers will be. Behind it: `words` 64-bit words (the three lists, each ended by 0, in the order
/// candidates, argv, envp), then the strings, each ended by NUL.
struct pk_packed_image {
    uint64_t size;
    uint64_t words;
    uint64_t argv;     ///< index of the first word of argv
    uint64_t envp;     ///< index of the first word of envp
    uint64_t cwd;      ///< offset of the directory's name, or 0
};

/// Turns the offsets of `block` into pointers, in place, and fills `image` (but for cwd_descriptor).
/// Safe in a held child: no libc.
void pk_image_unpack(void *block, struct pk_image *image);

#endif
