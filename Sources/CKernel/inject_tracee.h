// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_INJECT_TRACEE_H
#define CKERNEL_INJECT_TRACEE_H

#include "inject.h"
#include "inject_registers.h"
#include "inject_status.h"

// A thread of the child in the hands of the tracer thread. Each file behind inject.h is one thing done to it.

/// When a step need not end.
enum { PK_NO_DEADLINE = -1 };

struct pk_tracee {
    struct pk_injection *injection;
    const struct pk_inject_order *order;
    struct pk_inject_outcome *outcome;
    pid_t tid;
    int64_t deadline; ///< on the monotonic clock in ms, or PK_NO_DEADLINE
    /// 0, or why nothing more can be asked of it: -ESRCH, it is gone; -ETIMEDOUT, it does not run (frozen), and
    /// stands at a stop without having made the call. Calls after that do nothing.
    int fault;
    bool executed;     ///< it has passed its execve
    bool segv_at_exec; ///< the kernel ended it past the point of no return
    uint64_t options;  ///< PTRACE_O_*

    // As it was found, and where it can make calls.
    struct pk_registers found;
    void *vectors;   ///< what its registers hold besides, where calls may spoil it, or NULL; malloc(3)
    int vectors_set; ///< in which form (NT_*)
    uint64_t mask;
    uint64_t pending;     ///< signals that waited for it, or for the process
    uint64_t ignored;     ///< signals
    bool had_threads;     ///< besides this one
    uint64_t instruction; ///< address of a system call instruction

    // What has been done to it, and has to be undone.
    uint64_t memory, memory_size; ///< the image's copy, then PK_SCRATCH bytes
    int32_t home;                 ///< its descriptor of the directory it was in, or -1
    uint32_t kept_open;           ///< bit n: its descriptor n was close-on-exec
    uint32_t made_nonblocking;    ///< bit n: its descriptor n is; the new program gets it blocking
};

/// Room behind the image for what calls read and write.
enum { PK_SCRATCH = 4096 };

static inline uint64_t pk_scratch(const struct pk_tracee *tracee)
{
    return tracee->memory + tracee->memory_size - PK_SCRATCH;
}

// inject_attempt.c

/// All of it, in the calling thread, which has no other tracee.
enum pk_inject_result pk_inject_run(struct pk_injection *injection, const struct pk_inject_order *order,
                                    struct pk_inject_outcome *outcome);

// inject.c

/// The old program is gone. Returns when the new one may begin.
void pk_tell_executed(struct pk_injection *injection);

// inject_stop.c: stops, and calls made at them.

/// A stop: one of these, or the number of a signal about to be delivered.
enum pk_stop { PK_STOP_SYSCALL = 1000, PK_STOP_EXEC, PK_STOP_EVENT, PK_STOP_OTHER };

int64_t pk_monotonic_ms(void);
/// A ptrace(2) request that needs the tracee at a stop. 0 or -errno; -ESRCH also sets `fault`.
int pk_request(struct pk_tracee *tracee, int request, uint64_t address, uint64_t data);
/// Waits until it stands still where a signal would be taken: a resume from there restarts an interrupted call.
/// `stands`: it is at another stop now.
int pk_to_event_stop(struct pk_tracee *tracee, bool stands);
/// Lets it run to the next entry or exit of a call, or the end of its execve. pk_stop or -errno.
int pk_to_call_stop(struct pk_tracee *tracee, bool entry);
/// Lets it make a call. The call's result; `fault` when it was not made.
long pk_call(struct pk_tracee *tracee, long number, const long (*arguments)[6]);
#define pk_remote(tracee, number, ...) pk_call((tracee), (number), &(const long[6]){__VA_ARGS__})

/// Takes the ends of threads that were traced and were not the leader. They are nobody else's, and the process cannot
/// end, nor come through an execve of its own, while one is left.
void pk_take_ended_threads(pid_t leader);

// inject_memory.c

/// 0, or -errno.
int pk_write_memory(struct pk_tracee *tracee, uint64_t to, const void *bytes, uint64_t size);
int pk_read_memory(struct pk_tracee *tracee, uint64_t from, void *bytes, uint64_t size);
/// Where it has a system call instruction; 0: nowhere.
uint64_t pk_find_instruction(struct pk_tracee *tracee, bool compat);

// inject_directory.c

/// Goes to the new program's directory. 0 or -errno; pk_leave_directory() goes back.
int pk_enter_directory(struct pk_tracee *tracee, uint64_t path);
void pk_leave_directory(struct pk_tracee *tracee);

// inject_target.c

/// Whether the program may be started by this server, which has not CAP_SYS_PTRACE, without losing what is its due.
enum pk_inject_refusal pk_judge_target(struct pk_tracee *tracee, uint64_t path, const struct pk_status *status);

// inject_program.c

/// Makes it execute the program. 0, or -errno: everything but the registers and the mask is as it was.
int pk_execute_in(struct pk_tracee *tracee, const struct pk_status *status);

// inject_fresh.c

/// In the new image, before its first instruction. 0 or -errno.
int pk_make_fresh(struct pk_tracee *tracee);

#endif
