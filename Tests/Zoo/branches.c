// SPDX-License-Identifier: Apache-2.0
// branches: says "ready", then does hardly anything but indirect calls, until SIGUSR1; says how many it has missed. It has
// moved its vdso, so that a system call instruction is looked for in its own code first; and on aarch64 that is guarded:
// an indirect call may only arrive where a landing pad is (PROT_BTI, mmap(2)).
#define _GNU_SOURCE
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile sig_atomic_t told;
static uint64_t arrived;

static void tell(int signal)
{
    (void)signal;
    told = 1;
}

static void arrive(void)
{
    arrived++;
}

static void move_vdso(void)
{
    const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
    const ElfW(Ehdr) *head = (const void *)vdso;
    const ElfW(Phdr) *parts = (const void *)(vdso + head->e_phoff);
    // One segment is all of it.
    for (int i = 0; i < head->e_phnum; i++)
        if (parts[i].p_type == PT_LOAD) {
            const size_t page = getauxval(AT_PAGESZ), size = (parts[i].p_memsz + page - 1) / page * page;
            void *place = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            mremap((void *)(uintptr_t)vdso, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place);
            return;
        }
}

#if defined(__aarch64__)
extern const char etext[];
// The only one in this program, in the first mapping that may be executed.
__asm__(".text\n svc #0\n ret\n");

static void guard(void)
{
    const uintptr_t page = getauxval(AT_PAGESZ), from = (uintptr_t)arrive & -page;
    if (getauxval(AT_HWCAP2) & (1 << 17 /* HWCAP2_BTI */))
        mprotect((void *)from, ((uintptr_t)etext - from + page - 1) & -page, PROT_READ | PROT_EXEC | 0x10 /* PROT_BTI */);
}
#else
static void guard(void)
{
}
#endif

int main(void)
{
    signal(SIGUSR1, tell);
    move_vdso();
    guard();
    if (write(1, "ready\n", 6) != 6)
        return 111;
    void (*volatile way)(void) = arrive;
    uint64_t sent = 0;
    for (; !told; sent++)
        way();
    char line[64];
    const int length = snprintf(line, sizeof line, "missed %lld\n", (long long)(sent - arrived));
    // exit(3) calls what libc has put into this program, without landing pads.
    _exit(write(1, line, (size_t)length) == length ? 5 : 111);
}
