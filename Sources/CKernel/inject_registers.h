// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_INJECT_REGISTERS_H
#define CKERNEL_INJECT_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

// What differs between processors: registers of a stopped thread, and how a system call is written in them.
// inject_x86_64.c, inject_aarch64.c, inject_vectors_aarch64.c.

#if defined(__x86_64__)
struct pk_registers {
    struct user_regs_struct user;
};
#elif defined(__aarch64__)
struct pk_registers {
    struct user_regs_struct user;
    bool compat;
};
#endif

/// A program of the 32-bit kind. A pk_call() in one follows its own convention and numbers.
bool pk_registers_compat(const struct pk_registers *registers);
int pk_registers_get(pid_t tid, struct pk_registers *registers);
int pk_registers_set(pid_t tid, const struct pk_registers *registers);
uint64_t pk_registers_pc(const struct pk_registers *registers);
void pk_registers_set_pc(struct pk_registers *registers, uint64_t pc);
uint64_t pk_registers_sp(const struct pk_registers *registers);

/// Writes down a call, to be made by the instruction at `instruction`.
void pk_registers_put_call(struct pk_registers *registers, uint64_t instruction, long number,
                           const long (*arguments)[6]);
/// Tells the kernel that no call of the program is under way which it would have to restart.
int pk_registers_forget_call(pid_t tid);
long pk_registers_result(const struct pk_registers *registers);

/// The bytes of the system call instruction; there is no other before `*alignment` more bytes.
const uint8_t *pk_call_instruction(bool compat, unsigned *size, unsigned *alignment);

struct pk_tracee;
/// Makes `found` what must be put back for an interrupted call to go on, where the kernel has already rewritten the
/// registers at the stop. 0 or -errno.
int pk_registers_settle(struct pk_tracee *tracee);

/// Keeps in `vectors` those registers that calls may spoil, and puts them back. 0 or -errno.
int pk_vectors_keep(struct pk_tracee *tracee);
int pk_vectors_put_back(struct pk_tracee *tracee);

#endif
