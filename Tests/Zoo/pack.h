// SPDX-License-Identifier: Apache-2.0
#ifndef ZOO_PACK_H
#define ZOO_PACK_H

// What injector.c and launcher.c share: words to an image as the server packs it (image.h), and options among words.

#include "image.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(111);
}

/// Packs the words up to each "--" as three lists.
static void *pack(char **words, const char *directory, uint64_t *size)
{
    uint64_t count = 0, text = 0;
    for (char **word = words; *word; word++) {
        count++;
        text += strlen(*word) + 1;
    }
    count++; // the last list's end; the others' are the separators
    const uint64_t head = sizeof(struct pk_packed_image) + count * 8;
    const uint64_t room = head + text + (directory ? strlen(directory) + 1 : 0);
    char *block = calloc(1, room);
    check(block, "calloc");
    struct pk_packed_image *image = (struct pk_packed_image *)block;
    uint64_t *slots = (uint64_t *)(image + 1), at = head, lists = 0;
    for (uint64_t i = 0; i + 1 < count; i++) {
        if (strcmp(words[i], "--") == 0) {
            *(lists++ == 0 ? &image->argv : &image->envp) = i + 1;
            continue;
        }
        slots[i] = at;
        strcpy(block + at, words[i]);
        at += strlen(words[i]) + 1;
    }
    check(lists == 2, "three lists");
    image->words = count;
    if (directory) {
        image->cwd = at;
        strcpy(block + at, directory);
    }
    image->size = *size = room;
    return block;
}

/// The value of NAME=VALUE if that is the next word, which is taken then.
static const char *option(char ***words, const char *name)
{
    const size_t length = strlen(name);
    if (**words && strncmp(**words, name, length) == 0 && (**words)[length] == '=')
        return *(*words)++ + length + 1;
    return NULL;
}

#endif
