// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_LAUNCH_H
#define CKERNEL_LAUNCH_H

// Starting a program: everything between clone and execve, and nothing else.
//
// The child of pk_launch() shares the server's memory (CLONE_VM without CLONE_VFORK) and runs beside it on a
// stack of its own, with raw system calls only. The server goes on at once; it learns the outcome when the
// report pipe ends: execve closed it, or the child died. All that the child reads stays in place until then.
//
// A held child has a copy of the memory instead (no CLONE_VM): it may wait for hours at its gate.

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// The step of a start; the name of one is what clients see as `stage`.
enum pk_stage {
    PK_STAGE_NONE,
    PK_STAGE_PIPE,
    PK_STAGE_CLONE,
    PK_STAGE_CGROUP,
    PK_STAGE_SIGNALS,
    PK_STAGE_SESSION,
    PK_STAGE_UMASK,
    PK_STAGE_NICE,
    PK_STAGE_RLIMITS,
    PK_STAGE_GROUPS,
    PK_STAGE_GID,
    PK_STAGE_UID,
    PK_STAGE_CWD,
    PK_STAGE_STDIN,
    PK_STAGE_STDOUT,
    PK_STAGE_STDERR,
    PK_STAGE_FDS,
    PK_STAGE_TERMINAL,
    PK_STAGE_NO_NEW_PRIVILEGES,
    PK_STAGE_GATE,
    PK_STAGE_EXEC,
};

/// The most descriptors a program can be given: those of one message and its stdin, stdout and stderr.
enum { PK_MAPPINGS_MAX = 253 + 3 };

/// What to run. All pointers lie in one block, so that a held child can be given another one by a memfd.
struct pk_image {
    const char *const *candidates; ///< paths for execve, tried in this order; ends with NULL
    const char *const *argv;
    const char *const *envp;
    const char *cwd;        ///< or NULL
    int32_t cwd_descriptor; ///< or -1
};

/// A program's descriptor `target`: a copy of `source`, or `path` opened with `flags` and `mode` when
/// `source` is -1, or a copy of the target `source_target` when `path` is NULL too.
struct pk_mapping {
    int32_t target;
    int32_t source;
    int32_t source_target;
    int32_t flags;
    uint32_t mode;
    int32_t stage;
    const char *path;
};

struct pk_limit {
    uint32_t resource;
    bool set_soft, set_hard;
    uint64_t soft, hard;
};

enum pk_session { PK_SESSION_NEW, PK_SESSION_GROUP, PK_SESSION_INHERIT, PK_SESSION_APART, PK_SESSION_JOIN };

/// A start. The caller fills it and leaves it in place until the report pipe has ended (held: until the gate
/// has).
struct pk_launch {
    struct pk_image image;
    const struct pk_mapping *mappings;
    const struct pk_limit *limits;
    const uint32_t *groups;
    const int32_t *kept; ///< ascending: the descriptors the child needs, `report` and `gate` among them
    uint32_t mapping_count, limit_count, group_count, kept_count;
    int32_t report;        ///< write end of the report pipe
    int32_t gate;          ///< the child's end of the gate (SOCK_SEQPACKET), or -1: not held
    int32_t unshare_above; ///< share the descriptor table, then part from all above this number; 0: copy it whole
    int32_t cgroup;        ///< directory of the cgroup v2 to be born in, or -1
    int32_t session;
    int32_t group; ///< the process group to join (PK_SESSION_JOIN)
    int32_t terminal; ///< the program's descriptor that becomes its controlling terminal, or -1
    int32_t umask; ///< or -1
    int32_t nice;  ///< valid if set_nice
    uint32_t uid, gid;
    bool set_nice, set_uid, set_gid, set_groups, no_new_privileges;
    uint64_t ignored, blocked; ///< signal sets: bit n-1 is signal n
};

/// What the child tells through memory; `failed` is written last.
struct pk_outcome {
    volatile int32_t stage; ///< the step it is in (pk_stage)
    volatile int32_t error; ///< errno of the failure
    volatile int32_t index; ///< which candidate, mapping or limit
    volatile int32_t failed;
    volatile int32_t group; ///< the process group that was made for it (PK_SESSION_APART), or 0
};

/// A stack with the outcome at its foot, in memory shared with held children too. Taken from
/// pk_slab_create(), reused for start after start.
struct pk_slab;

struct pk_slab *pk_slab_create(void);
void pk_slab_destroy(struct pk_slab *slab);
struct pk_outcome *pk_slab_outcome(struct pk_slab *slab);

/// What clone gave: the pid, the pidfd, and which of the two calls and flags made it.
struct pk_child {
    pid_t pid;
    int pidfd;
    bool cgroup_refused; ///< this kernel or container refuses CLONE_INTO_CGROUP; the child is outside
};

/// Starts the child. Returns 0, or -errno when there is none. While `launch->unshare_above` is not 0 the
/// descriptors in `kept` must stay as they are until one byte has come through the report pipe.
int pk_launch(const struct pk_launch *launch, struct pk_slab *slab, struct pk_child *child);

/// The message that opens a held child's gate, sent with up to two descriptors by SCM_RIGHTS: a memfd with a
/// packed image (see image.h) if `has_image`, and a directory if `has_cwd`.
struct pk_gate_order {
    uint32_t has_image, has_cwd;
    uint64_t image_size;
    uint64_t ignored, blocked;
    uint32_t set_signals;
};

/// True when a child can be born in `cgroup` and lives: tried with one that ends at once. Containers may refuse
/// CLONE_INTO_CGROUP; and a kernel may kill the child at birth, when the group this process is in was once killed
/// (cgroup.kill) and used again.
bool pk_clone_into_cgroup_works(int cgroup);

/// True when clone3(2) answers at all (old container filters refuse it with ENOSYS or EPERM).
bool pk_clone3_works(void);

#endif
