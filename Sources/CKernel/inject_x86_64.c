// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)

#define _GNU_SOURCE
#include "inject_tracee.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>

// x86-64, and i386 programs on it. syscall(2), "Architecture calling conventions".

/// The code segment of 32-bit user code (__USER32_CS, the kernel's asm/segment.h).
enum { CODE_SEGMENT_32 = 0x23 };

bool pk_registers_compat(const struct pk_registers *registers)
{
    return registers->user.cs == CODE_SEGMENT_32;
}

int pk_registers_get(pid_t tid, struct pk_registers *registers)
{
    return ptrace(PTRACE_GETREGS, tid, NULL, &registers->user) == -1 ? -errno : 0;
}

int pk_registers_set(pid_t tid, const struct pk_registers *registers)
{
    return ptrace(PTRACE_SETREGS, tid, NULL, &registers->user) == -1 ? -errno : 0;
}

uint64_t pk_registers_pc(const struct pk_registers *registers)
{
    return registers->user.rip;
}

void pk_registers_set_pc(struct pk_registers *registers, uint64_t pc)
{
    registers->user.rip = pc;
}

uint64_t pk_registers_sp(const struct pk_registers *registers)
{
    return registers->user.rsp;
}

void pk_registers_put_call(struct pk_registers *registers, uint64_t instruction, long number,
                           const long (*arguments)[6])
{
    struct user_regs_struct *user = &registers->user;
    const unsigned long a = (unsigned long)(*arguments)[0], b = (unsigned long)(*arguments)[1],
                        c = (unsigned long)(*arguments)[2], d = (unsigned long)(*arguments)[3],
                        e = (unsigned long)(*arguments)[4], f = (unsigned long)(*arguments)[5];
    user->rip = instruction;
    user->rax = (unsigned long)number;
    user->orig_rax = ~0UL; // no call under way: what is in rax is not a result to be restarted
    if (pk_registers_compat(registers)) {
        user->rbx = a, user->rcx = b, user->rdx = c, user->rsi = d, user->rdi = e, user->rbp = f;
    } else {
        user->rdi = a, user->rsi = b, user->rdx = c, user->r10 = d, user->r8 = e, user->r9 = f;
    }
}

int pk_registers_forget_call(pid_t tid)
{
    (void)tid; // orig_rax says it
    return 0;
}

long pk_registers_result(const struct pk_registers *registers)
{
    return pk_registers_compat(registers) ? (long)(int32_t)registers->user.rax : (long)registers->user.rax;
}

const uint8_t *pk_call_instruction(bool compat, unsigned *size, unsigned *alignment)
{
    static const uint8_t syscall[] = {0x0f, 0x05}, int80[] = {0xcd, 0x80};
    *size = 2;
    *alignment = 1;
    return compat ? int80 : syscall;
}

int pk_registers_settle(struct pk_tracee *tracee)
{
    // The kernel restarts when it leaves the stop, by what rax and orig_rax hold then.
    (void)tracee;
    return 0;
}

int pk_vectors_keep(struct pk_tracee *tracee)
{
    (void)tracee; // a system call spoils none
    return 0;
}

int pk_vectors_put_back(struct pk_tracee *tracee)
{
    (void)tracee;
    return 0;
}

#endif
