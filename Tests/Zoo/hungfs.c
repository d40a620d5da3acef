// SPDX-License-Identifier: Apache-2.0
// hungfs DIRECTORY PIDFILE -- PROGRAM [ARGUMENT...]: runs PROGRAM in a mount namespace where DIRECTORY is a file system
// that does not answer: every open of a file in it ("hung", executable; "slow", a plain file) waits, and so does the
// mere search for "lost". Speaks the protocol of /dev/fuse itself (linux/fuse.h), without a library. Without root a user
// namespace gives the right to mount. The pid of the process that should answer is written to PIDFILE. From USR1
// on it answers what waits and what comes: "slow" opens, the others fail with EIO. When it is killed, they end with ENOTCONN.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROOT = 1, HUNG = 2, SLOW = 3, KEPT_MOST = 64 };

static struct { uint64_t unique, node; } kept[KEPT_MOST];
static int kept_count;
static volatile sig_atomic_t released;

static void release(int number)
{
    (void)number;
    released = 1;
}

static void answer(int device, uint64_t unique, int error, const void *body, size_t length)
{
    struct fuse_out_header header = {.len = sizeof header + length, .error = error, .unique = unique};
    struct iovec parts[2] = {{&header, sizeof header}, {(void *)body, length}};
    if (writev(device, parts, 2) < 0 && errno != ENOENT)
        _exit(3);
}

static struct fuse_attr attributes(uint64_t node)
{
    struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096, .size = node == ROOT ? 0 : 4096, .uid = getuid(),
                             .gid = getgid()};
    attr.mode = node == ROOT ? S_IFDIR | 0755 : node == HUNG ? S_IFREG | 0755 : S_IFREG | 0644;
    return attr;
}

static void keep(uint64_t unique, uint64_t node)
{
    if (kept_count < KEPT_MOST) {
        kept[kept_count].unique = unique;
        kept[kept_count++].node = node;
    }
}

static void answer_kept(int device)
{
    const struct fuse_open_out out = {0};
    while (kept_count > 0) {
        kept_count--;
        if (kept[kept_count].node == SLOW)
            answer(device, kept[kept_count].unique, 0, &out, sizeof out);
        else
            answer(device, kept[kept_count].unique, -EIO, NULL, 0);
    }
}

static void serve_one(int device, struct fuse_in_header *in)
{
    char *body = (char *)(in + 1);
    switch (in->opcode) {
    case FUSE_INIT: {
        struct fuse_init_out out = {.major = 7, .minor = 31, .max_write = 65536, .max_background = 16};
        answer(device, in->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_LOOKUP: {
        if (!strcmp(body, "lost")) {
            keep(in->unique, HUNG);
            return;
        }
        uint64_t node = !strcmp(body, "hung") ? HUNG : !strcmp(body, "slow") ? SLOW : 0;
        struct fuse_entry_out out = {.nodeid = node, .entry_valid = 3600, .attr_valid = 3600, .attr = attributes(node)};
        answer(device, in->unique, node ? 0 : -ENOENT, &out, node ? sizeof out : 0);
        return;
    }
    case FUSE_GETATTR: {
        struct fuse_attr_out out = {.attr_valid = 3600, .attr = attributes(in->nodeid)};
        answer(device, in->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_OPEN:
        keep(in->unique, in->nodeid);
        return;  // the hang
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return;  // these want no answer; an interrupt is ignored, as a dead file server does
    case FUSE_RELEASE:
    case FUSE_FLUSH:
        answer(device, in->unique, 0, NULL, 0);
        return;
    case FUSE_READ:
        answer(device, in->unique, 0, "slow\n", 5);
        return;
    default:
        answer(device, in->unique, -ENOSYS, NULL, 0);
    }
}

/// USR1 is taken from here on, between requests: with the mask returned.
static sigset_t expect_release(void)
{
    struct sigaction action = {.sa_handler = release};
    sigset_t usr1, between;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, &between);
    sigdelset(&between, SIGUSR1);
    sigaction(SIGUSR1, &action, NULL);
    return between;
}

static void serve(int device, const sigset_t *between)
{
    static char request[1 << 20];
    for (;;) {
        struct pollfd wanted = {device, POLLIN, 0};
        int ready = ppoll(&wanted, 1, NULL, between);
        if (ready >= 0) {
            ssize_t length = read(device, request, sizeof request);
            if (length < 0 && (errno == ENODEV || errno == EBADF))
                _exit(0);
            if (length >= (ssize_t)sizeof(struct fuse_in_header)) {
                request[length < (ssize_t)sizeof request ? length : length - 1] = 0;
                serve_one(device, (struct fuse_in_header *)request);
            }
        }
        if (released)
            answer_kept(device);
    }
}

static void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text)) {
        fprintf(stderr, "hungfs: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    close(file);
}

static void enter_namespaces(void)
{
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (uid == 0 && unshare(CLONE_NEWNS) == 0)
        return;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        perror("hungfs: unshare");
        exit(2);
    }
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    write_file("/proc/self/gid_map", map);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 64;
    enter_namespaces();
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    char options[128];
    snprintf(options, sizeof options, "fd=%d,rootmode=40755,user_id=%u,group_id=%u", device, getuid(), getgid());
    if (device < 0 || mount("hungfs", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0) {
        perror("hungfs: mount");
        return 2;
    }
    // Twice, so that the program does not find a child it never started.
    pid_t between = fork();
    if (between == 0) {
        if (fork() != 0)
            _exit(0);
        const sigset_t requests = expect_release();
        setsid();
        char text[32];
        snprintf(text, sizeof text, "%d\n", getpid());
        write_file(argv[2], text);
        serve(device, &requests);
    }
    waitpid(between, NULL, 0);
    execvp(argv[4], argv + 4);
    perror("hungfs: exec");
    return 2;
}
