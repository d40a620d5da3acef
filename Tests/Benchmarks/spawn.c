// SPDX-License-Identifier: Apache-2.0
// Starting programs and learning of their end in plain C: clone3 with VFORK and a pidfd, execve, waitid(P_PIDFD).
// usage: spawn one COUNT PROGRAM [ARG…]              one after the other
//        spawn epoll COUNT FLIGHT PROGRAM [ARG…]     one thread, FLIGHT programs at a time
//        spawn threads COUNT FLIGHT PROGRAM [ARG…]   FLIGHT threads, one program each at a time
//        spawn live COUNT PROGRAM [ARG…]             COUNT programs at once that end only when killed
//        spawn pipe PROGRAM [ARG…]                   reads a program's output to its end
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

extern char **environ;
static char **program;
static int null_device;
enum { STACK = 65536 };

struct start {
    sigset_t mask;
    int output;
};

/// Runs between clone and exec, in our memory: system calls only.
static int child(void *argument) {
    const struct start *start = argument;
    setsid();
    dup2(null_device, 0);
    dup2(start->output, 1);
    dup2(null_device, 2);
    sigprocmask(SIG_SETMASK, &start->mask, NULL);
    execve(program[0], program, environ);
    _exit(127);
}

/// Starts the program and returns its pidfd. As procctld does it: vfork-like, own stack, all signals blocked.
static int spawn(char *stack, int output) {
    struct start start = {.output = output};
    int pidfd = -1;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &start.mask);
#if defined(__x86_64__)
    struct clone_args args = {.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd,
                              .exit_signal = SIGCHLD, .stack = (uint64_t)(uintptr_t)stack, .stack_size = STACK};
    long pid;
    register long r8 __asm__("r8") = (long)child, r9 __asm__("r9") = (long)&start;
    __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tmov %%r9, %%rdi\n\tcall *%%r8\n\tud2\n1:"
                     : "=a"(pid) : "a"(SYS_clone3), "D"(&args), "S"(sizeof args), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    if (pid < 0) errno = (int)-pid;
#else
    (void)stack;
    pid_t pid = vfork();
    if (pid == 0) child(&start);
    if (pid > 0) pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
#endif
    pthread_sigmask(SIG_SETMASK, &start.mask, NULL);
    if (pid < 0 || pidfd < 0) die("clone3");
    return pidfd;
}

/// Reaps by pidfd, with resource usage, and closes it. Ends this program if the other failed.
static void reap(int pidfd, int expected) {
    siginfo_t info = {0};
    struct rusage usage;
    while (syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED, &usage)) {
        if (errno != EINTR) die("waitid");
    }
    errno = 0;
    if (info.si_status != expected) die("the program failed");
    close(pidfd);
}

static char *new_stack(void) {
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) die("mmap");
    return stack;
}

struct share {
    int count;
    int64_t *times;
};

static void *one_by_one(void *argument) {
    struct share *share = argument;
    char *stack = new_stack();
    for (int i = 0; i < share->count; i++) {
        int64_t start = now_ns();
        reap(spawn(stack, null_device), 0);
        share->times[i] = now_ns() - start;
    }
    return NULL;
}

static void threads(int count, int flight) {
    int each = count / flight;
    int64_t *times = calloc((size_t)count, sizeof *times);
    struct share share[flight];
    pthread_t thread[flight];
    int64_t start = now_ns();
    for (int i = 0; i < flight; i++) {
        share[i] = (struct share){each, times + (size_t)i * (size_t)each};
        if (flight > 1) pthread_create(&thread[i], NULL, one_by_one, &share[i]);
    }
    if (flight == 1) one_by_one(&share[0]);
    for (int i = 0; i < flight && flight > 1; i++) pthread_join(thread[i], NULL);
    report(times, each * flight, now_ns() - start);
}

static void watch(int epoll, int pidfd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = pidfd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event)) die("epoll_ctl");
}

/// Before it is closed: a vfork parent goes on before its child has closed what is CLOEXEC, so that a close alone would
/// leave the pidfd in the epoll set for as long as that child takes.
static void unwatch(int epoll, int pidfd) {
    if (epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, NULL)) die("epoll_ctl");
}

static void in_flight(int count, int flight) {
    char *stack = new_stack();
    int epoll = epoll_create1(EPOLL_CLOEXEC), started = 0;
    int64_t *times = calloc((size_t)count, sizeof *times), start = now_ns(), *since = calloc(1 << 16, sizeof *since);
    for (int done = 0; done < count;) {
        while (started < count && started - done < flight) {
            int64_t begin = now_ns();
            int pidfd = spawn(stack, null_device);
            since[pidfd] = begin;
            watch(epoll, pidfd);
            started++;
        }
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            unwatch(epoll, events[i].data.fd);
            reap(events[i].data.fd, 0);
            times[done++] = now_ns() - since[events[i].data.fd];
        }
    }
    report(times, count, now_ns() - start);
}

/// Per process, in ns: to start COUNT of them, to learn which one of them was killed, to kill and reap the rest.
static void live(int count) {
    char *stack = new_stack();
    int epoll = epoll_create1(EPOLL_CLOEXEC), *pidfds = calloc((size_t)count, sizeof *pidfds);
    int64_t start = now_ns();
    for (int i = 0; i < count; i++) watch(epoll, pidfds[i] = spawn(stack, null_device));
    int64_t spawned = now_ns();
    int victims = count < 5 ? count : 5;
    for (int i = 0; i < victims; i++) {
        struct epoll_event event;
        syscall(SYS_pidfd_send_signal, pidfds[i], SIGKILL, NULL, 0);
        epoll_wait(epoll, &event, 1, -1);
        unwatch(epoll, event.data.fd);
        reap(event.data.fd, SIGKILL);
    }
    int64_t told = now_ns();
    for (int i = victims; i < count; i++) syscall(SYS_pidfd_send_signal, pidfds[i], SIGKILL, NULL, 0);
    for (int i = victims; i < count; i++) reap(pidfds[i], SIGKILL);
    int64_t end = now_ns();
    printf("{\"spawn\": %lld, \"any\": %lld, \"kill\": %lld}\n", (long long)(spawned - start) / count,
           (long long)(told - spawned) / victims, (long long)(end - told) / (count - victims));
}

static void output(void) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) die("pipe2");
    static char bytes[1 << 16];
    int64_t start = now_ns(), total = 0;
    int pidfd = spawn(new_stack(), ends[1]);
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;) total += n;
    reap(pidfd, 0);
    printf("{\"bytes\": %lld, \"ns\": %lld}\n", (long long)total, (long long)(now_ns() - start));
}

int main(int argc, char **argv) {
    if (argc < 3) die("usage: spawn one|epoll|threads|live|pipe …");
    const char *mode = argv[1];
    null_device = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    errno = 0;
    int flying = !strcmp(mode, "epoll") || !strcmp(mode, "threads"), piped = !strcmp(mode, "pipe");
    program = argv + (piped ? 2 : flying ? 4 : 3);
    if (program >= argv + argc) die("no program");
    int count = piped ? 1 : atoi(argv[2]);
    if (!strcmp(mode, "one")) threads(count, 1);
    else if (!strcmp(mode, "threads")) threads(count, atoi(argv[3]));
    else if (!strcmp(mode, "epoll")) in_flight(count, atoi(argv[3]));
    else if (!strcmp(mode, "live")) live(count);
    else if (piped) output();
    else die("no such mode");
    return 0;
}
