// SPDX-License-Identifier: Apache-2.0
// registers call|work|streaming: says "ready" with a value of its own in every register a program has, waits in read(2) for a byte
// or works until SIGUSR1, and says "whole", or which register is another one then. The vectors are as wide as the
// processor's: AVX; SVE, whose upper parts and predicates a system call need not keep, so only while it works;
// or those of SME's streaming mode.
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { VECTORS = 32, WIDEST = 256 };

struct registers {
    uint64_t general[32];
    uint64_t control[4]; ///< x86-64: mxcsr; aarch64: fpcr, fpsr, nzcv
    uint8_t vector[VECTORS * WIDEST];
    uint8_t predicate[17 * WIDEST / 8]; ///< the last one is FFR
};

/// What the assembly below works on. It keeps the address of this in one register, and spoils one other.
static struct hold {
    uint64_t told, stack, byte;
    struct registers given, found;
} hold;

static size_t predicates; ///< how many there are

_Static_assert(offsetof(struct hold, given) == 24 && offsetof(struct registers, vector) == 288, "as in the assembly");
_Static_assert(sizeof(struct registers) == 9024, "as in the assembly");

#if defined(__x86_64__)

#include "registers_x86_64.h"

static void (*way_of(const char *name, size_t *width))(struct hold *)
{
    const int wide = __builtin_cpu_supports("avx");
    *width = wide ? 32 : 16;
    hold.given.control[0] = 0x7f80; // towards zero; exceptions masked
    if (strcmp(name, "call") == 0)
        return wide ? hold_call_ymm : hold_call_xmm;
    return wide ? hold_work_ymm : hold_work_xmm;
}

#else

#include "registers_aarch64.h"

static void (*way_of(const char *name, size_t *width))(struct hold *)
{
    const int work = strcmp(name, "call") != 0;
    hold.given.control[0] = 1 << 22;        // fpcr: upwards
    hold.given.control[1] = 1 << 27 | 0x1f; // fpsr: saturated, and every exception that is noted
    hold.given.control[2] = 0xaULL << 28;   // nzcv: negative, carry
    if (strcmp(name, "streaming") == 0 && getauxval(AT_HWCAP2) & (1 << 23 /* HWCAP2_SME */)) {
        *width = streaming_width();
        predicates = 16; // there is no FFR
        return hold_work_streaming;
    }
    if (work && getauxval(AT_HWCAP) & (1 << 22 /* HWCAP_SVE */)) {
        *width = scalable_width();
        predicates = 17;
        return hold_work_sve;
    }
    *width = 16;
    return work ? hold_work_neon : hold_call_neon;
}

#endif

static void tell(int signal)
{
    (void)signal;
    hold.told = 1;
}

static int compare(const char *kind, const void *given, const void *found, size_t size, size_t count)
{
    int changed = 0;
    for (size_t i = 0; i < count; i++)
        if (memcmp((const char *)given + i * size, (const char *)found + i * size, size) != 0)
            changed |= printf("changed: %s %zu\n", kind, i);
    return changed;
}

int main(int count, char **words)
{
    if (count != 2)
        return 111;
    size_t width;
    void (*way)(struct hold *) = way_of(words[1], &width);
    struct registers *given = &hold.given, *found = &hold.found;
    memset(found, 0, sizeof *found);
    for (size_t i = 0; i < 32; i++)
        given->general[i] = 0x1122334455667788ULL * (2 * i + 1);
    for (size_t i = 0; i < VECTORS * width; i++)
        given->vector[i] = (uint8_t)(i * 151 + i / 256 + 7);
    for (size_t i = 0; i < 16 * width / 8; i++)
        given->predicate[i] = (uint8_t)(i * 91 + 3);
    // FFR is a row of ones and then of zeros.
    memset(given->predicate + 16 * width / 8, 0xff, width / 16);
    signal(SIGUSR1, tell);
    if (write(1, "ready\n", 6) != 6)
        return 111;
    way(&hold);
    for (int i = 0; i < 32; i++)
        if (is_spoilt(words[1], i))
            found->general[i] = given->general[i];
    int changed = compare("general", given->general, found->general, 8, 32);
    changed |= compare("control", given->control, found->control, 8, 4);
    changed |= compare("vector", given->vector, found->vector, width, held_vectors);
    changed |= compare("predicate", given->predicate, found->predicate, width / 8, predicates);
    if (!changed)
        puts("whole");
    return 5;
}
