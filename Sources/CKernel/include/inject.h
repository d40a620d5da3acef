// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_INJECT_H
#define CKERNEL_INJECT_H

// Replacing the program of a running child in place, as if it had called execve(2) itself.
//
// A short-lived tracer thread stops the child (ptrace(2), PTRACE_SEIZE), lets it make a few system calls that end
// in execve, makes the new image as fresh as a spawned one before its first instruction, and lets go. If the
// program cannot be started, everything is put back: the old one goes on as if nothing had happened.
//
// The one who calls must be the child's parent: Yama's ptrace_scope 1 lets an ancestor trace, and nobody else.
//
// What the server must hold to while an injection runs (from pk_inject_begin to pk_inject_end):
//
// - A stop for the tracer is visible to every thread of the real parent's process, __WNOTHREAD or not, and a
//   waitid(2) without WNOWAIT takes it away from the tracer. (The kernel, kernel/exit.c, wait_consider_task:
//   "traced by its real parent's group" counts as the caller's own tracee.) So no pk_stop_event() on this child,
//   and no pk_take_adopted(). pk_reap() is safe at any time: it looks before it takes, and takes only an end.
//   pk_next_change() is safe too, since it only looks; but it may tell of this child over and over, and so hide
//   what other children did. Ask the others by their pidfds meanwhile, and look once more at all afterwards.
// - Each stop sends SIGCHLD, as any change of a child does.
// - Kill it at any time: SIGKILL passes at once. Its end is told by its pidfd as always, and may be reaped before
//   the injection ends. Every other signal waits until the injection is through, and is never lost.
// - One injection per child at a time. Children may be injected in parallel, a thread each.
// - If the server is killed within the few hundred microseconds in which the old program is half way out, the
//   child is killed with it (PTRACE_O_EXITKILL) rather than let run on in disorder.
//
// `deadline_ms` bounds everything up to the point where the child is touched (a child that does not stop is left
// as it was), and the search for the program. What is under way in the child's own execve after that cannot be
// called back from outside: a dead file server, or a cgroup frozen at that very moment, holds the injection until
// the child goes on or is killed. `outcome.stage` says at any time how far it is; the server may kill.
//
// The new program's directory is entered before the execve, so that relative names count from there as they do for any
// start, and left again if it fails. Other threads of the old program, which run on, see it for that moment.
//
// What no one can put back after a failed execve (signal(7)): epoll_wait, sigtimedwait, semop, msgrcv,
// io_getevents, a read from inotify, and sockets with a timeout return EINTR, and a read or write done in part
// returns that part, as they do after SIGSTOP and SIGCONT. And if execve fails past its point of no return (the image does not fit into RLIMIT_AS), the process
// dies by SIGSEGV, as it does after execvp(3).

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// How it ended.
enum pk_inject_result {
    PK_INJECT_RUNNING,  ///< not decided yet
    PK_INJECT_REPLACED, ///< the new program runs (or is stopped, if the old one was)
    PK_INJECT_REFUSED,  ///< not tried: `refusal` says why. The old program goes on
    PK_INJECT_FAILED,   ///< `stage` failed with `error`. The old program goes on
    PK_INJECT_LOST,     ///< execve failed past the point of no return, or nothing could be put back: it has died
    PK_INJECT_ENDED,    ///< the process ended or was killed meanwhile
};

/// The step it is in; the name of one is what clients see as `stage`.
enum pk_inject_stage {
    PK_INJECT_STAGE_ATTACH,
    PK_INJECT_STAGE_STOP,
    PK_INJECT_STAGE_CREDENTIALS,
    PK_INJECT_STAGE_MEMORY,  ///< room for the strings in the child: ENOMEM when its RLIMIT_AS is used up
    PK_INJECT_STAGE_CWD,
    PK_INJECT_STAGE_FDS,     ///< 0, 1, 2 are kept across the execve
    PK_INJECT_STAGE_EXEC,
    PK_INJECT_STAGE_SIGNALS, ///< in the new program
};

/// Why it was not tried. The name of one is what clients see as `reason`.
enum pk_inject_refusal {
    PK_REFUSAL_NONE,
    PK_REFUSAL_TRACED,            ///< by somebody else: a debugger, strace
    PK_REFUSAL_VFORK,             ///< in the middle of a vfork(2) until the deadline
    PK_REFUSAL_UNINTERRUPTIBLE,   ///< in state D until the deadline: a dead file server, a v1 freezer
    PK_REFUSAL_FROZEN,            ///< its cgroup is: it stops, and does not come to run for 2 s, or until the deadline,
                                  ///< and for 250 ms at least
    PK_REFUSAL_SECCOMP,           ///< it has filters the server has not, and one might kill it for a call
    PK_REFUSAL_YAMA,              ///< kernel.yama.ptrace_scope is 2 or 3
    PK_REFUSAL_CREDENTIALS,       ///< not the ids or capabilities it was started with: a set-uid program, say
    PK_REFUSAL_NOT_DUMPABLE,      ///< an unreadable program, or prctl(2) PR_SET_DUMPABLE 0
    PK_REFUSAL_NO_PERMISSION,     ///< EPERM from ptrace(2) for another reason: SELinux, a container's filter
    PK_REFUSAL_NOT_SUPPORTED,     ///< a 32-bit program, or a kernel without PTRACE_SEIZE
    PK_REFUSAL_TARGET_SETUID,     ///< the new program (of a script, the interpreter) is set-uid, set-gid or has
                                  ///< capabilities: traced by a server without CAP_SYS_PTRACE, the kernel would
                                  ///< silently not honour that
    PK_REFUSAL_TARGET_UNREADABLE, ///< it may be executed, not read: such a server may not touch it
};

/// What a process was started with. More than that now means it is not the owner's any more.
struct pk_credentials {
    uint32_t uid, gid;
    const uint32_t *groups;
    uint32_t group_count;
    uint64_t capabilities; ///< those it could have: pk_capabilities_of_child()
};

struct pk_inject_order {
    pid_t pid;
    int32_t pidfd;
    const void *image;      ///< a packed image (image.h), its offsets not yet pointers
    uint64_t image_size;
    int32_t cwd_descriptor; ///< a directory to be in, or -1: the image's own, if it has one
    bool fresh;             ///< as freshly spawned: `ignored` and `blocked`, nothing stale pending, no timers, and
                            ///< 0, 1, 2 kept and blocking. Else as execve(2) leaves it
    uint64_t ignored, blocked; ///< signal sets: bit n-1 is signal n
    struct pk_credentials started;
    int32_t deadline_ms;
    bool pause_at_exec; ///< the new program does not begin before pk_inject_go()
};

struct pk_inject_outcome {
    volatile int32_t result;  ///< pk_inject_result; written last
    volatile int32_t stage;   ///< pk_inject_stage
    volatile int32_t error;   ///< errno, when refused or failed
    volatile int32_t refusal; ///< pk_inject_refusal
    volatile int32_t index;   ///< which candidate
    volatile int32_t executed; ///< the old program is gone
    volatile int32_t unclean; ///< replaced, but errno kept the new program from being as fresh as asked
};

/// An injection under way.
struct pk_injection;

/// Starts the tracer thread and returns at once: 0, or -errno when there is none. `order` and all it points to, and
/// `outcome`, stay in place until pk_inject_end().
int pk_inject_begin(const struct pk_inject_order *order, struct pk_inject_outcome *outcome,
                    struct pk_injection **injection);

/// Becomes readable when `outcome` is decided, and before that at the pause (an eventfd(2)).
int pk_inject_descriptor(const struct pk_injection *injection);

/// Ends the pause: the old program is gone, everything it has written is where it wrote it, and nothing of the new one
/// is there yet.
void pk_inject_go(struct pk_injection *injection);

/// Joins the tracer thread, which has nothing left to do once that is readable, and frees `injection`. Only then is the
/// child surely not traced any more.
void pk_inject_end(struct pk_injection *injection);

/// Whether it works here: tried on a child that does nothing, which takes a millisecond or two. If not, `refusal` or
/// `error` says what is in the way.
bool pk_inject_works(enum pk_inject_refusal *refusal, int *error);

/// The capabilities that a child of this process has at most if it is started with `uid`, no file adding any.
uint64_t pk_capabilities_of_child(uint32_t uid);

#endif
