// SPDX-License-Identifier: Apache-2.0
// launcher OPTION… -- CANDIDATE… -- WORD… -- NAME=VALUE…: one start, as the server makes one (LaunchBlock.swift), with the
// server's own C files. On stdout it says "STAGE ERROR INDEX FAILED PID GROUP REFUSED" when the start is decided, and at
// last "code N" or "signal N". The program's 0 is /dev/null, its 1 and 2 are our 2.
//
// A held child's orders are lines on stdin, the words parted by tabs: OPTION… or OPTION… -- CANDIDATE… -- WORD… -- …
// Each is answered by "STAGE ERROR INDEX", or "gone" when it has left its gate.
#define _GNU_SOURCE
#include "ancillary.h"
#include "launch.h"
#include "pack.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 16, WORDS = 256 };

static struct pk_mapping mappings[MOST];
static struct pk_limit limits[MOST];
static uint32_t groups[MOST];
static int32_t kept[MOST + 3];
static struct pk_launch launch = {
    .mappings = mappings, .limits = limits, .groups = groups, .kept = kept, .gate = -1, .cgroup = -1, .terminal = -1,
    .umask = -1};
static const char *directory;
static int directory_descriptor = -1;
static bool held, shares_table;

/// As an old container does: clone3(2) is not there.
static void refuse_clone3(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

static void map(int target, int source, int source_target, const char *path, int flags)
{
    struct pk_mapping *mapping = &mappings[launch.mapping_count++];
    check(launch.mapping_count <= MOST, "mappings");
    *mapping = (struct pk_mapping){.target = target, .source = source, .source_target = source_target, .path = path,
                                   .flags = flags, .mode = 0666};
    mapping->stage = target < 3 ? PK_STAGE_STDIN + target : PK_STAGE_FDS;
}

static void add_limit(const char *value)
{
    struct pk_limit *limit = &limits[launch.limit_count++];
    check(launch.limit_count <= MOST, "limits");
    *limit = (struct pk_limit){.set_soft = true, .set_hard = true};
    check(sscanf(value, "%u:%lu:%lu", &limit->resource, &limit->soft, &limit->hard) == 3, "limit");
}

static void add_groups(char *value)
{
    launch.set_groups = true;
    for (char *word; (word = strsep(&value, ",")) && launch.group_count < MOST;)
        groups[launch.group_count++] = (uint32_t)atoi(word);
}

/// One option of a plan, which is taken from `words`.
static bool take(char ***words)
{
    const char *value;
    int target, number, end;
    if ((value = option(words, "session")))
        launch.session = atoi(value);
    else if ((value = option(words, "group")))
        launch.group = atoi(value);
    else if ((value = option(words, "umask")))
        launch.umask = (int32_t)strtol(value, NULL, 8);
    else if ((value = option(words, "nice")))
        launch.set_nice = true, launch.nice = atoi(value);
    else if ((value = option(words, "limit")))
        add_limit(value);
    else if ((value = option(words, "uid")))
        launch.set_uid = true, launch.uid = (uint32_t)atoi(value);
    else if ((value = option(words, "gid")))
        launch.set_gid = true, launch.gid = (uint32_t)atoi(value);
    else if ((value = option(words, "groups")))
        add_groups((char *)(uintptr_t)value);
    else if ((value = option(words, "cwd")))
        directory = value;
    else if ((value = option(words, "cwd_descriptor")))
        directory_descriptor = atoi(value);
    else if ((value = option(words, "map")) && sscanf(value, "%d:%d", &target, &number) == 2)
        map(target, number, -1, NULL, 0);
    else if ((value = option(words, "copy")) && sscanf(value, "%d:%d", &target, &number) == 2)
        map(target, -1, number, NULL, 0);
    else if ((value = option(words, "file")) && sscanf(value, "%d:%d:%n", &target, &number, &end) == 2)
        map(target, -1, -1, value + end, number);
    else if ((value = option(words, "terminal")))
        launch.terminal = atoi(value);
    else if ((value = option(words, "cgroup")))
        check((launch.cgroup = open(value, O_PATH | O_DIRECTORY | O_CLOEXEC)) >= 0, value);
    else if ((value = option(words, "ignored")))
        launch.ignored = strtoull(value, NULL, 16);
    else if ((value = option(words, "blocked")))
        launch.blocked = strtoull(value, NULL, 16);
    else if ((value = option(words, "no_new_privs")))
        launch.no_new_privileges = true;
    else if ((value = option(words, "held")))
        held = true;
    else if ((value = option(words, "shares_table")))
        shares_table = true;
    else if ((value = option(words, "no_clone3")))
        refuse_clone3();
    else
        return false;
    return true;
}

static int ascending(const void *one, const void *other)
{
    return *(const int32_t *)one - *(const int32_t *)other;
}

/// The descriptors that the child needs.
static void keep(void)
{
    int32_t all[MOST + 3];
    uint32_t count = 0;
    all[count++] = launch.report;
    if (held)
        all[count++] = launch.gate;
    if (directory_descriptor >= 0)
        all[count++] = directory_descriptor;
    for (uint32_t i = 0; i < launch.mapping_count; i++)
        if (mappings[i].source >= 0)
            all[count++] = mappings[i].source;
    qsort(all, count, sizeof *all, ascending);
    // As all of the server's are; those that we were given are not.
    for (uint32_t i = 0; i < count; i++)
        if (all[i] > 2)
            fcntl(all[i], F_SETFD, FD_CLOEXEC);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || all[i] != all[i - 1])
            kept[launch.kept_count++] = all[i];
    if (shares_table)
        launch.unshare_above = kept[launch.kept_count - 1] + 1;
}

static void order(char *line, int gate, const struct pk_outcome *outcome)
{
    char *words[WORDS], **rest = words, byte;
    size_t count = 0;
    for (char *word; (word = strsep(&line, "\t")) && count + 1 < WORDS;)
        if (*word)
            words[count++] = word;
    words[count] = NULL;
    struct pk_gate_order message = {0};
    directory = NULL, directory_descriptor = -1;
    launch.ignored = launch.blocked = 0;
    while (*rest && take(&rest))
        message.set_signals = launch.ignored || launch.blocked;
    message.ignored = launch.ignored, message.blocked = launch.blocked;
    int descriptors[2], sent = 0;
    if (*rest) {
        void *image = pack(rest + 1, directory, &message.image_size);
        descriptors[sent++] = memfd_create("image", MFD_CLOEXEC);
        check(write(descriptors[0], image, message.image_size) == (ssize_t)message.image_size, "image");
        message.has_image = 1;
        free(image);
    }
    if (directory_descriptor >= 0)
        descriptors[sent++] = directory_descriptor, message.has_cwd = 1;
    check(pk_send_descriptors(gate, &message, sizeof message, descriptors, (size_t)sent) == sizeof message, "order");
    if (message.has_image)
        close(descriptors[0]);
    if (read(gate, &byte, 1) == 1)
        printf("%d %d %d\n", outcome->stage, outcome->error, outcome->index);
    else
        printf("gone\n");
}

int main(int count, char **words)
{
    (void)count;
    setvbuf(stdout, NULL, _IOLBF, 0);
    map(0, -1, -1, "/dev/null", O_RDONLY);
    map(1, 2, -1, NULL, 0);
    map(2, -1, 1, NULL, 0);
    char **rest = words + 1;
    while (*rest && take(&rest))
        continue;
    check(*rest && strcmp(*rest, "--") == 0, "options");
    uint64_t size;
    pk_image_unpack(pack(rest + 1, directory, &size), &launch.image);
    launch.image.cwd_descriptor = directory_descriptor;
    int report[2], gate[2] = {-1, -1};
    check(pipe2(report, O_CLOEXEC) == 0, "pipe2");
    check(!held || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) == 0, "socketpair");
    launch.report = report[1];
    launch.gate = gate[1];
    keep();
    struct pk_slab *slab = pk_slab_create();
    struct pk_child child;
    check(slab, "slab");
    errno = -pk_launch(&launch, slab, &child);
    check(errno == 0, "pk_launch");
    // The descriptors stay as they are until it has a table of its own.
    char byte;
    if (shares_table && !held && read(report[0], &byte, 1) < 0)
        check(false, "report");
    close(report[1]);
    close(gate[1]);
    while (read(report[0], &byte, 1) > 0)
        continue;
    const struct pk_outcome *outcome = pk_slab_outcome(slab);
    printf("%d %d %d %d %d %d %d\n", outcome->stage, outcome->error, outcome->index, outcome->failed, child.pid,
           outcome->group, child.cgroup_refused);
    const bool waits = held && !outcome->failed;
    char *line = NULL;
    size_t room = 0;
    for (ssize_t length; waits && (length = getline(&line, &room, stdin)) > 0;) {
        line[length - 1] = 0;
        order(line, gate[0], outcome);
    }
    close(gate[0]);
    struct pollfd end = {.fd = child.pidfd, .events = POLLIN};
    check(poll(&end, 1, 60000) == 1, "it has not ended");
    struct pk_exit exit;
    check(pk_reap(child.pidfd, &exit) == 1, "pk_reap");
    printf("%s %d\n", exit.by_signal ? "signal" : "code", exit.status);
    return 0;
}
