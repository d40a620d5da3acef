// SPDX-License-Identifier: Apache-2.0
// Replacing the program of a running child by the server's own engine (Sources/CKernel), until the new one has ended.
// usage: replace inject COUNT IDLE PROGRAM [ARG…]    COUNT times: starts IDLE, then, measured, has it become PROGRAM
//        replace fork COUNT IDLE PROGRAM [ARG…]      to compare: fork(2) and execve(2) of PROGRAM, IDLE left out
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image.h"
#include "inject.h"
#include "measure.h"
#include "process.h"

enum { BLOCK = 65536 };
static uint64_t block[BLOCK / 8];

/// One candidate, the program's arguments, and this program's environment, packed for the engine.
static void pack(char **program) {
    extern char **environ;
    struct pk_packed_image *image = (struct pk_packed_image *)block;
    uint64_t *slots = (uint64_t *)(image + 1), count = 0;
    char *one[] = {program[0], NULL}, **lists[] = {one, program, environ};
    for (int i = 0; i < 3; i++)
        for (char **word = lists[i]; word == lists[i] || word[-1]; word++) count++;
    uint64_t at = sizeof *image + count * 8, slot = 0;
    for (int i = 0; i < 3; i++) {
        if (i == 1) image->argv = slot;
        if (i == 2) image->envp = slot;
        for (char **word = lists[i]; *word; word++) {
            size_t size = strlen(*word) + 1;
            if (at + size > BLOCK) die("the environment is too large");
            slots[slot++] = at;
            memcpy((char *)block + at, *word, size);
            at += size;
        }
        slots[slot++] = 0;
    }
    image->words = count;
    image->size = at;
}

static pid_t start(char *idle) {
    pid_t pid = vfork();
    if (pid < 0) die("vfork");
    if (pid == 0) {
        execl(idle, idle, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void wait_readable(int descriptor) {
    struct pollfd entry = {.fd = descriptor, .events = POLLIN};
    while (poll(&entry, 1, -1) != 1) continue;
}

static int64_t replace(pid_t pid) {
    int pidfd = pk_pidfd_open(pid);
    struct pk_inject_order order = {
        .pid = pid, .pidfd = pidfd, .image = block, .image_size = ((struct pk_packed_image *)block)->size,
        .cwd_descriptor = -1, .fresh = true, .deadline_ms = 10000,
        .started = {.uid = geteuid(), .gid = getegid(), .capabilities = ~0ULL}};
    gid_t groups[1024];
    order.started.group_count = (uint32_t)getgroups(1024, groups);
    order.started.groups = groups;
    struct pk_inject_outcome outcome;
    struct pk_injection *injection;
    struct pk_exit exit;
    int64_t begin = now_ns();
    if (pk_inject_begin(&order, &outcome, &injection)) die("pk_inject_begin");
    wait_readable(pk_inject_descriptor(injection));
    pk_inject_end(injection);
    wait_readable(pidfd);
    if (pk_reap(pidfd, &exit) != 1) die("pk_reap");
    int64_t end = now_ns();
    if (outcome.result != PK_INJECT_REPLACED || exit.by_signal || exit.status) die("not replaced");
    close(pidfd);
    return end - begin;
}

static int64_t fork_and_exec(char **program) {
    int status;
    int64_t begin = now_ns();
    pid_t pid = fork();
    if (pid == 0) {
        execv(program[0], program);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) != pid || status) die("fork");
    return now_ns() - begin;
}

int main(int argc, char **argv) {
    if (argc < 5) die("usage: replace inject|fork COUNT IDLE PROGRAM [ARG…]");
    int count = atoi(argv[2]), inject = !strcmp(argv[1], "inject");
    pack(argv + 4);
    int64_t *times = calloc((size_t)count, sizeof *times), total = 0;
    for (int i = 0; i < count; i++) total += times[i] = inject ? replace(start(argv[3])) : fork_and_exec(argv + 4);
    report(times, count, total);
}
