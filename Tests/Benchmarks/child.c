// SPDX-License-Identifier: Apache-2.0
// The programs that are started: no libc, no dynamic linker, so that the cost of starting them is the kernel's and ours.
// Built three times: -DEXIT ends at once, -DPAUSE waits for a signal, -DFLOOD writes 256 MiB of text to stdout.
#include <sys/syscall.h>

static long call(long number, long a, long b, long c) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#else
#error "no system call instruction for this processor here"
#endif
}

#ifdef FLOOD
static char line[65536];

static void work(void) {
    for (unsigned i = 0; i < sizeof line; i++) line[i] = i % 64 == 63 ? '\n' : (char)('a' + i % 26);
    for (long left = 256L << 20; left > 0;) {
        long n = call(SYS_write, 1, (long)line, sizeof line);
        if (n <= 0) break;
        left -= n;
    }
}
#elif defined(PAUSE)
static void work(void) {
    for (;;) call(SYS_ppoll, 0, 0, 0);
}
#else
static void work(void) {}
#endif

void _start(void) {
    work();
    call(SYS_exit_group, 0, 0, 0);
    __builtin_unreachable();
}
