// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "launch_child.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// The parent's half of a start: a stack, a mask, a clone.

enum { STACK_SIZE = 64 * 1024 };

// glibc 2.36's headers know CLONE_INTO_CGROUP and struct clone_args from <linux/sched.h>, not from <sched.h>.
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

struct pk_slab *pk_slab_create(void)
{
    // Shared: a held child, which has a copy of everything else, still reports into it. No swap reservation.
    void *memory =
        mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void pk_slab_destroy(struct pk_slab *slab)
{
    munmap(slab, STACK_SIZE);
}

struct pk_outcome *pk_slab_outcome(struct pk_slab *slab)
{
    return &slab->outcome;
}

/// clone3 with the child on its own stack, calling pk_child_main(slab) there. Never returns in the child.
static long clone3_call(struct clone_args *arguments, struct pk_slab *slab)
{
#if defined(__x86_64__)
    long result;
    register void *entry __asm__("r8") = (void *)pk_child_main;
    register void *argument __asm__("r9") = slab;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r9, %%rdi\n\t"
                     "call *%%r8\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "a"(SYS_clone3), "D"(arguments), "S"(sizeof *arguments), "r"(entry), "r"(argument)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long number __asm__("x8") = SYS_clone3;
    register long result __asm__("x0") = (long)arguments;
    register long size __asm__("x1") = sizeof *arguments;
    register void *entry __asm__("x9") = (void *)pk_child_main;
    register void *argument __asm__("x10") = slab;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x30, xzr\n\t"
                     "mov x0, x10\n\t"
                     "blr x9\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(result)
                     : "r"(number), "r"(size), "r"(entry), "r"(argument)
                     : "memory");
    return result;
#endif
}

static int child_entry(void *slab)
{
    pk_child_main(slab);
}

/// -1: not tried yet. A container's filter does not change while we run.
static _Atomic int clone3_state = -1;

bool pk_clone3_works(void)
{
    int state = atomic_load(&clone3_state);
    if (state < 0) {
        // A size of 0 is EINVAL from a kernel that has the call, before anything else is looked at.
        long result = pk_raw(SYS_clone3, 0, 0);
        state = result == -ENOSYS || result == -EPERM ? 0 : 1;
        atomic_store(&clone3_state, state);
    }
    return state == 1;
}

static long clone_any(const struct pk_launch *launch, struct pk_slab *slab, bool into_cgroup, int *pidfd)
{
    const bool held = launch->gate >= 0;
    uint64_t flags = CLONE_PIDFD;
    if (!held)
        flags |= CLONE_VM;
    if (!held && launch->unshare_above > 0)
        flags |= CLONE_FILES;
    if (!pk_clone3_works()) {
        slab->handlers_cleared = false;
        int pid = clone(child_entry, (char *)slab + STACK_SIZE, (int)flags | SIGCHLD, slab, pidfd, NULL, NULL);
        return pid < 0 ? -errno : pid;
    }
    slab->handlers_cleared = true;
    struct clone_args arguments = {
        .flags = flags | CLONE_CLEAR_SIGHAND,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)slab,
        .stack_size = STACK_SIZE,
    };
    if (into_cgroup) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)launch->cgroup;
    }
    return clone3_call(&arguments, slab);
}

/// Not allowed there, threaded or with controllers (cgroups(7)), or removed by somebody.
static bool is_refused_by_cgroup(long error)
{
    return error == -EACCES || error == -EPERM || error == -EOPNOTSUPP || error == -EINVAL || error == -EBUSY ||
           error == -ENODEV || error == -ENOENT;
}

int pk_launch(const struct pk_launch *launch, struct pk_slab *slab, struct pk_child *child)
{
    slab->launch = launch;
    slab->outcome.stage = PK_STAGE_CLONE;
    slab->outcome.error = 0;
    slab->outcome.index = 0;
    slab->outcome.group = 0;
    slab->outcome.failed = 0;
    child->cgroup_refused = false;

    // A handler of ours must never run in the child: it would run in our memory under another pid.
    uint64_t all = ~0ULL, before;
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    int pidfd = -1;
    long pid = clone_any(launch, slab, launch->cgroup >= 0, &pidfd);
    if (launch->cgroup >= 0 && is_refused_by_cgroup(pid)) {
        child->cgroup_refused = true;
        pid = clone_any(launch, slab, false, &pidfd);
    }
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof all);
    if (pid < 0)
        return (int)pid;
    if (launch->cgroup >= 0 && !pk_clone3_works())
        child->cgroup_refused = true;
    child->pid = (pid_t)pid;
    child->pidfd = pidfd; // born close-on-exec (pidfd_open(2))
    return 0;
}

bool pk_clone_into_cgroup_works(int cgroup)
{
    struct pk_slab *slab = pk_clone3_works() ? pk_slab_create() : NULL;
    if (!slab)
        return false;
    slab->launch = NULL;
    struct clone_args arguments = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)slab,
        .stack_size = STACK_SIZE,
        .cgroup = (uint64_t)cgroup,
    };
    uint64_t all = ~0ULL, before;
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    long pid = clone3_call(&arguments, slab);
    siginfo_t info = {.si_code = 0};
    bool lives = pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED) == 0 && info.si_code == CLD_EXITED;
    pk_raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof all);
    pk_slab_destroy(slab);
    return lives;
}
