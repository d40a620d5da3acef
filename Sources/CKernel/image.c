// SPDX-License-Identifier: Apache-2.0
#include "image.h"

void pk_image_unpack(void *block, struct pk_image *image)
{
    struct pk_packed_image *head = block;
    uint64_t *words = (uint64_t *)(head + 1);
    const uint64_t base = (uint64_t)(uintptr_t)block;
    for (uint64_t i = 0; i < head->words; i++)
        if (words[i] != 0)
            words[i] += base;
    image->candidates = (const char *const *)words;
    image->argv = (const char *const *)(words + head->argv);
    image->envp = (const char *const *)(words + head->envp);
    image->cwd = head->cwd ? (const char *)block + head->cwd : NULL;
}
