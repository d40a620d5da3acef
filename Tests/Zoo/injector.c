// SPDX-License-Identifier: Apache-2.0
// injector: a parent that injects, told what to do line by line on its stdin, the words of a line parted by tabs. It is
// compiled together with the server's own C files, so that a test may look at the engine from close by.
//
//   spawn UID WORD…                 a child; UID -1: ours. -> its pid, and our ends of the pipes that are its 0 and 1
//   close NUMBER NUMBER             -> nothing: whoever asked has opened these ends
//   begin PID OPTION… -- CANDIDATE… -- WORD… -- NAME=VALUE…     -> the number of the injection
//   end NUMBER                      -> result stage error refusal index unclean microseconds
//   reap PID                        -> code N, or signal N, when it has ended
//   look PID                        -> 1 if it has ended, else 0; it is asked all that the server asks meanwhile
//   threads                         -> how many this process has
#define _GNU_SOURCE
#include "inject.h"
#include "pack.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 4096, INJECTIONS = 1024, CHILDREN = 65536 };

struct job {
    struct pk_inject_order order;
    struct pk_inject_outcome outcome;
    struct pk_injection *injection;
    struct timespec begun;
};

static struct job jobs[INJECTIONS];
static int job_count;
static struct {
    pid_t pid;
    int pidfd;
    uint32_t uid;
    bool reaped;
    struct pk_exit exit;
} children[CHILDREN];
static int child_count;

static int child_index(const char *pid)
{
    for (int i = child_count - 1; i >= 0; i--)
        if (children[i].pid == atoi(pid))
            return i;
    fprintf(stderr, "no child %s\n", pid);
    exit(111);
}

static void spawn(char **words)
{
    const long uid = atol(words[0]);
    int input[2], output[2];
    check(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0, "pipe2");
    pid_t pid = fork();
    check(pid >= 0, "fork");
    if (pid == 0) {
        check(dup2(input[0], 0) == 0 && dup2(output[1], 1) == 1, "dup2");
        if (uid >= 0) {
            check(setgroups(0, NULL) == 0, "setgroups");
            check(setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) == 0, "setresgid");
            check(setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) == 0, "setresuid");
        }
        execv(words[1], words + 1);
        perror(words[1]);
        _exit(99);
    }
    close(input[0]);
    close(output[1]);
    children[child_count].reaped = false;
    children[child_count].pid = pid;
    children[child_count].uid = uid < 0 ? geteuid() : (uint32_t)uid;
    children[child_count].pidfd = pk_pidfd_open(pid);
    check(children[child_count].pidfd >= 0, "pidfd_open");
    child_count++;
    printf("%d %d %d\n", (int)pid, input[1], output[0]);
}

static void begin(char **words)
{
    struct job *job = &jobs[job_count];
    const int child = child_index(*words++);
    struct pk_inject_order *order = &job->order;
    const char *value, *directory = NULL;
    *order = (struct pk_inject_order){
        .pid = children[child].pid, .pidfd = children[child].pidfd, .cwd_descriptor = -1, .fresh = true,
        .deadline_ms = 5000};
    order->started = (struct pk_credentials){.uid = children[child].uid, .gid = getegid()};
    if (children[child].uid != geteuid())
        order->started.gid = children[child].uid;
    static gid_t groups[65536];
    if (children[child].uid == geteuid()) {
        order->started.group_count = (uint32_t)getgroups(65536, groups);
        order->started.groups = groups;
    }
    order->started.capabilities = pk_capabilities_of_child(children[child].uid);
    for (;;) {
        if ((value = option(&words, "inherit")))
            order->fresh = false;
        else if ((value = option(&words, "ignored")))
            order->ignored = strtoull(value, NULL, 16);
        else if ((value = option(&words, "blocked")))
            order->blocked = strtoull(value, NULL, 16);
        else if ((value = option(&words, "deadline")))
            order->deadline_ms = atoi(value);
        else if ((value = option(&words, "cwd")))
            directory = value;
        else if ((value = option(&words, "cwd_descriptor")))
            order->cwd_descriptor = atoi(value);
        else if ((value = option(&words, "uid")))
            order->started.uid = (uint32_t)atoi(value);
        else
            break;
    }
    check(*words && strcmp(*words, "--") == 0, "options");
    order->image = pack(words + 1, directory, &order->image_size);
    clock_gettime(CLOCK_MONOTONIC, &job->begun);
    const int error = pk_inject_begin(order, &job->outcome, &job->injection);
    errno = -error;
    check(error == 0, "pk_inject_begin");
    printf("%d\n", job_count);
    job_count = (job_count + 1) % INJECTIONS;
}

static void end(char **words)
{
    struct job *job = &jobs[atoi(words[0])];
    uint64_t one;
    struct pollfd done = {.fd = pk_inject_descriptor(job->injection), .events = POLLIN};
    check(poll(&done, 1, 60000) == 1, "not done");
    check(read(done.fd, &one, sizeof one) == sizeof one && one == 1, "done");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pk_inject_end(job->injection);
    free((void *)(uintptr_t)job->order.image);
    const struct pk_inject_outcome *outcome = &job->outcome;
    printf("%d %d %d %d %d %d %ld\n", outcome->result, outcome->stage, outcome->error, outcome->refusal,
           outcome->index, outcome->unclean,
           (now.tv_sec - job->begun.tv_sec) * 1000000 + (now.tv_nsec - job->begun.tv_nsec) / 1000);
}

/// What the server asks of a child at any time. Whether it has ended.
static bool look(int child)
{
    struct pk_change change;
    pk_next_change(&change);
    if (children[child].reaped)
        return true;
    const int result = pk_reap(children[child].pidfd, &children[child].exit);
    errno = -result;
    check(result >= 0, "pk_reap");
    return children[child].reaped = result == 1;
}

static void reap(char **words)
{
    const int child = child_index(words[0]);
    struct pollfd ready = {.fd = children[child].pidfd, .events = POLLIN};
    check(poll(&ready, 1, 20000) == 1, "it has not ended");
    check(look(child), "pk_reap");
    const struct pk_exit exit = children[child].exit;
    // The pidfd stays open: an injection may be under way still.
    children[child] = children[--child_count];
    printf("%s %d\n", exit.by_signal ? "signal" : "code", exit.status);
}

static void threads(void)
{
    char path[64];
    int count = 0;
    FILE *status = fopen("/proc/self/status", "re");
    check(status, "status");
    while (fgets(path, sizeof path, status))
        if (sscanf(path, "Threads: %d", &count) == 1)
            break;
    fclose(status);
    printf("%d\n", count);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    char *line = NULL, *words[WORDS];
    size_t room = 0;
    for (ssize_t length; (length = getline(&line, &room, stdin)) > 0;) {
        line[length - 1] = 0;
        int count = 0;
        for (char *rest = line, *word; (word = strsep(&rest, "\t")) && count + 1 < WORDS;)
            words[count++] = word;
        words[count] = NULL;
        const char *verb = words[0];
        if (strcmp(verb, "spawn") == 0)
            spawn(words + 1);
        else if (strcmp(verb, "close") == 0)
            printf("%d\n", close(atoi(words[1])) | close(atoi(words[2])));
        else if (strcmp(verb, "begin") == 0)
            begin(words + 1);
        else if (strcmp(verb, "end") == 0)
            end(words + 1);
        else if (strcmp(verb, "reap") == 0)
            reap(words + 1);
        else if (strcmp(verb, "look") == 0)
            printf("%d\n", look(child_index(words[1])));
        else if (strcmp(verb, "threads") == 0)
            threads();
        else
            check(false, verb);
    }
    return 0;
}
