// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_LAUNCH_CHILD_H
#define CKERNEL_LAUNCH_CHILD_H

#include "launch.h"
#include "raw.h"

/// The child's stack and memory are not what a sanitizer's runtime thinks.
#define NO_SANITIZER __attribute__((no_sanitize("address", "thread")))

/// struct sigaction as the kernel has it (x86-64 and aarch64 agree up to the restorer, which 0 skips).
struct kernel_sigaction {
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
};

struct pk_slab {
    struct pk_outcome outcome;
    const struct pk_launch *launch; ///< NULL: only to see whether it lives
    bool handlers_cleared; ///< by CLONE_CLEAR_SIGHAND
};

/// What the child does. Ends in the program, or in _exit after the outcome is written.
_Noreturn void pk_child_main(struct pk_slab *slab);

/// The first number above all that the program gets.
int pk_above_targets(const struct pk_launch *launch);

/// The steps, each in the file of its subject. They return 0 or -errno and set `*index` where it helps.
/// The session and the process group.
int pk_step_session(const struct pk_launch *launch, struct pk_outcome *outcome);
int pk_step_descriptors(const struct pk_launch *launch, int32_t *report, int32_t *gate, volatile int32_t *stage,
                        volatile int32_t *index);
int pk_step_exec(const struct pk_image *image, uint64_t blocked, volatile int32_t *index);
/// Waits at the gate, runs order after order; returns only if the server has gone.
void pk_step_gate(struct pk_slab *slab, int32_t gate);

#endif
