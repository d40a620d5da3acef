// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_RAW_H
#define CKERNEL_RAW_H

// System calls without libc: the child of a launch shares its parent's memory, hence its errno and its locks,
// and may touch neither. Results are the kernel's own: -errno on failure. syscall(2), "Architecture calling
// conventions".

#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long pk_raw6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

static inline long pk_raw6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#else
#error "procctl runs on x86-64 and aarch64"
#endif

#define PK_RAW_PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define PK_RAW0(n) pk_raw6((n), 0, 0, 0, 0, 0, 0)
#define PK_RAW1(n, a) pk_raw6((n), (long)(a), 0, 0, 0, 0, 0)
#define PK_RAW2(n, a, b) pk_raw6((n), (long)(a), (long)(b), 0, 0, 0, 0)
#define PK_RAW3(n, a, b, c) pk_raw6((n), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define PK_RAW4(n, a, b, c, d) pk_raw6((n), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define PK_RAW5(n, a, b, c, d, e) pk_raw6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define PK_RAW6(n, a, b, c, d, e, f) \
    pk_raw6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/// pk_raw(number, arguments…): one system call, at most six arguments.
#define pk_raw(...) PK_RAW_PICK(__VA_ARGS__, PK_RAW6, PK_RAW5, PK_RAW4, PK_RAW3, PK_RAW2, PK_RAW1, PK_RAW0)(__VA_ARGS__)

#endif
