// SPDX-License-Identifier: Apache-2.0
#if defined(__aarch64__)

#define _GNU_SOURCE
#include "inject_tracee.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

// aarch64. syscall(2), "Architecture calling conventions"; the kernel's arch/arm64/kernel/signal.c for restarts.

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

/// PSTATE.BTYPE: an indirect branch has been taken, and not arrived.
enum { BRANCH_TYPE = 3 << 10 };

/// Number, and result or first argument.
enum { X_NUMBER = 8, X_RESULT = 0 };
enum { NO_SYSTEM_CALL = -1 };

bool pk_registers_compat(const struct pk_registers *registers)
{
    return registers->compat;
}

int pk_registers_get(pid_t tid, struct pk_registers *registers)
{
    struct iovec vector = {.iov_base = &registers->user, .iov_len = sizeof registers->user};
    if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &vector) == -1)
        return -errno;
    // A 32-bit program has a smaller set of its own kind (elf_gregset_t of arm).
    registers->compat = vector.iov_len != sizeof registers->user;
    return 0;
}

int pk_registers_set(pid_t tid, const struct pk_registers *registers)
{
    struct user_regs_struct copy = registers->user;
    struct iovec vector = {.iov_base = &copy, .iov_len = sizeof copy};
    return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &vector) == -1 ? -errno : 0;
}

uint64_t pk_registers_pc(const struct pk_registers *registers)
{
    return registers->user.pc;
}

void pk_registers_set_pc(struct pk_registers *registers, uint64_t pc)
{
    registers->user.pc = pc;
}

uint64_t pk_registers_sp(const struct pk_registers *registers)
{
    return registers->user.sp;
}

void pk_registers_put_call(struct pk_registers *registers, uint64_t instruction, long number,
                           const long (*arguments)[6])
{
    registers->user.pc = instruction;
    // What is between a branch and its landing pad has none at our instruction: guarded code would be left by SIGILL.
    registers->user.pstate &= ~(uint64_t)BRANCH_TYPE;
    registers->user.regs[X_NUMBER] = (uint64_t)number;
    for (int i = 0; i < 6; i++)
        registers->user.regs[i] = (uint64_t)(*arguments)[i];
}

static int set_number(pid_t tid, int number)
{
    struct iovec vector = {.iov_base = &number, .iov_len = sizeof number};
    return ptrace(PTRACE_SETREGSET, tid, (void *)NT_ARM_SYSTEM_CALL, &vector) == -1 ? -errno : 0;
}

int pk_registers_forget_call(pid_t tid)
{
    return set_number(tid, NO_SYSTEM_CALL);
}

long pk_registers_result(const struct pk_registers *registers)
{
    return (long)registers->user.regs[X_RESULT];
}

const uint8_t *pk_call_instruction(bool compat, unsigned *size, unsigned *alignment)
{
    static const uint8_t svc[] = {0x01, 0x00, 0x00, 0xd4};
    *size = *alignment = sizeof svc;
    return compat ? NULL : svc;
}

int pk_registers_settle(struct pk_tracee *tracee)
{
    // Here an interrupted call is wound back before the stop: the program counter is at its svc again. Whether the
    // kernel would enter restart_syscall(2) instead (nanosleep, futex: the time that has passed counts) is known only
    // behind the stop. So it may go on to the entry of whichever call it makes, and no further.
    uint8_t code[4];
    unsigned size, alignment;
    const uint8_t *svc = pk_call_instruction(false, &size, &alignment);
    if (pk_read_memory(tracee, tracee->found.user.pc, code, sizeof code) != 0 || memcmp(code, svc, size) != 0)
        return 0;
    int stop = pk_to_call_stop(tracee, true);
    if (stop < 0)
        return stop;
    struct pk_registers entered;
    int error = pk_registers_get(tracee->tid, &entered);
    if (error)
        return error;
    if (entered.user.regs[X_NUMBER] == SYS_restart_syscall)
        tracee->found.user.regs[X_NUMBER] = SYS_restart_syscall;
    if ((error = set_number(tracee->tid, NO_SYSTEM_CALL)))
        return error;
    stop = pk_to_call_stop(tracee, false);
    return stop < 0 ? stop : 0;
}

#endif
