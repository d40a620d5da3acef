// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "launch_child.h"

#include <errno.h>
#include <sched.h>
#include <sys/wait.h>

// Which session and which process group the program runs in.

/// A child that makes a group of its own and ends. It shares our memory and our stack, which we stand still on until
/// it is gone (CLONE_VFORK), and touches neither: three system calls, no C in between. It tells nobody of its end
/// (no exit signal).
NO_SANITIZER static long clone_a_leader(void)
{
#if defined(__x86_64__)
    long result, first = CLONE_VM | CLONE_VFORK;
    __asm__ volatile("xor %%esi, %%esi\n\t"
                     "xor %%edx, %%edx\n\t"
                     "xor %%r10d, %%r10d\n\t"
                     "xor %%r8d, %%r8d\n\t"
                     "syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov %[setpgid], %%eax\n\t"
                     "xor %%edi, %%edi\n\t"
                     "xor %%esi, %%esi\n\t"
                     "syscall\n\t"
                     "mov %[exit], %%eax\n\t"
                     "xor %%edi, %%edi\n\t"
                     "syscall\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result), "+D"(first)
                     : "a"(SYS_clone), [setpgid] "i"(SYS_setpgid), [exit] "i"(SYS_exit)
                     : "rsi", "rdx", "r10", "r8", "rcx", "r11", "memory", "cc");
    return result;
#else
    register long number __asm__("x8") = SYS_clone;
    register long result __asm__("x0") = CLONE_VM | CLONE_VFORK;
    __asm__ volatile("mov x1, xzr\n\t"
                     "mov x2, xzr\n\t"
                     "mov x3, xzr\n\t"
                     "mov x4, xzr\n\t"
                     "svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x8, %[setpgid]\n\t"
                     "mov x1, xzr\n\t"
                     "svc #0\n\t"
                     "mov x8, %[exit]\n\t"
                     "mov x0, xzr\n\t"
                     "svc #0\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(result), "+r"(number)
                     : [setpgid] "i"(SYS_setpgid), [exit] "i"(SYS_exit)
                     : "x1", "x2", "x3", "x4", "memory", "cc");
    return result;
#endif
}

/// A group that nobody leads: its leader is a zombie when it is joined, and gone right after. Its number is not given
/// away again as long as the group has a member.
NO_SANITIZER static int join_a_group_apart(volatile int32_t *group)
{
    long leader = clone_a_leader();
    if (leader < 0)
        return (int)leader;
    int error = (int)pk_raw(SYS_setpgid, 0, leader);
    // __WALL: a child without an exit signal is not waited for otherwise (wait(2)).
    while (pk_raw(SYS_wait4, leader, 0, __WALL, 0) == -EINTR)
        ;
    if (error == 0)
        *group = (int32_t)leader;
    return error;
}

NO_SANITIZER int pk_step_session(const struct pk_launch *launch, struct pk_outcome *outcome)
{
    switch (launch->session) {
    case PK_SESSION_NEW: {
        long result = pk_raw(SYS_setsid);
        return result < 0 ? (int)result : 0;
    }
    case PK_SESSION_GROUP: return (int)pk_raw(SYS_setpgid, 0, 0);
    case PK_SESSION_APART: return join_a_group_apart(&outcome->group);
    case PK_SESSION_JOIN: return (int)pk_raw(SYS_setpgid, 0, launch->group);
    default: return 0;
    }
}
