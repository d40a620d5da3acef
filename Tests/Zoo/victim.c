// SPDX-License-Identifier: Apache-2.0
// victim: a program to be replaced. usage: victim [TRAIT…] WAY [MS]
// Takes on the traits, says "ready", then is busy in its way for MS milliseconds or until something comes on its stdin.
// When that is over it says "Good Bye WAY RESULT ERRNO", which a replaced program never does, and ends with 5.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int milliseconds = 60000;
static volatile sig_atomic_t told;
static volatile uint64_t work;

static struct timespec span(void)
{
    return (struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L};
}

static void tell(int signal)
{
    (void)signal;
    told = 1;
}

static void check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        _exit(111);
    }
}

static void *toil(void *nothing)
{
    for (;;)
        work = work + 1;
    return nothing;
}

static void *rest(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

static void start(void *(*body)(void *))
{
    pthread_t thread;
    errno = pthread_create(&thread, NULL, body, NULL);
    check(errno ? -1 : 0, "pthread_create");
}

// Traits.

/// Its execve is answered by `action`; everything else is allowed.
static void filter(uint32_t action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
}

/// What an old program may leave to a new one, and a start does not.
static void leave_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTRAP, SIG_IGN);
    signal(64, SIG_IGN);
    signal(SIGUSR1, tell);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, 40);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR2);
    sigqueue(getpid(), 40, (union sigval){.sival_int = 1});
    struct itimerval soon = {{0, 0}, {3600, 0}};
    setitimer(ITIMER_REAL, &soon, NULL);
    setitimer(ITIMER_PROF, &soon, NULL);
}

static void fill_memory(void)
{
    struct rlimit limit = {64 << 20, 64 << 20};
    check(setrlimit(RLIMIT_AS, &limit), "RLIMIT_AS");
    for (size_t size = 32 << 20; size >= 4096;)
        if (mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
            size /= 2;
}

static void fill_descriptors(void)
{
    struct rlimit limit = {16, 16};
    check(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        continue;
}

static int take_on(const char *trait)
{
    if (strcmp(trait, "no_new_privs") == 0)
        check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), trait);
    else if (strcmp(trait, "filter_errno") == 0)
        filter(SECCOMP_RET_ERRNO | EPERM);
    else if (strcmp(trait, "filter_kill") == 0)
        filter(SECCOMP_RET_KILL_PROCESS);
    else if (strcmp(trait, "undumpable") == 0)
        check(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), trait);
    else if (strcmp(trait, "signals") == 0)
        leave_signals();
    else if (strcmp(trait, "blocked") == 0) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
    } else if (strcmp(trait, "stdio") == 0) {
        for (int number = 0; number < 3; number++)
            check(fcntl(number, F_SETFD, FD_CLOEXEC) | fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK), trait);
    } else if (strcmp(trait, "full_memory") == 0)
        fill_memory();
    else if (strcmp(trait, "full_descriptors") == 0)
        fill_descriptors();
    else if (strcmp(trait, "threads") == 0) {
        start(toil);
        start(rest);
        start(rest);
    } else
        return 0;
    return 1;
}

// Ways.

static long wait_for_child(void)
{
    pid_t child = fork();
    check(child, "fork");
    if (child == 0) {
        // Until there is something on stdin; it stays there.
        struct pollfd input = {0, POLLIN, 0};
        poll(&input, 1, milliseconds);
        _exit(7);
    }
    int status;
    return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7 ? 0 : -1;
}

/// The same sum twice: on the way with interruptions, then without.
static long sum(void)
{
    signal(SIGUSR1, tell);
    uint64_t rounds = 0, first = 1, second = 1;
    for (; !told; rounds++)
        first = first * 6364136223846793005u + 1442695040888963407u;
    for (uint64_t i = 0; i < rounds; i++)
        second = second * 6364136223846793005u + 1442695040888963407u;
    return first == second ? 0 : -1;
}

/// Time does not go back, whoever comes in between: in the code of the vdso, most of it.
static long look_at_clock(void)
{
    signal(SIGUSR1, tell);
    struct timespec before = {0, 0}, now;
    while (!told) {
        if (clock_gettime(CLOCK_MONOTONIC, &now) != 0 || now.tv_sec < before.tv_sec ||
            (now.tv_sec == before.tv_sec && now.tv_nsec < before.tv_nsec))
            return -1;
        before = now;
    }
    return 0;
}

static volatile long handled;

static void read_a_byte(int signal)
{
    (void)signal;
    char byte;
    handled = read(0, &byte, 1);
}

static long in_handler(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    signal(SIGHUP, read_a_byte);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGHUP);
    return handled;
}

/// Like a shell's or make's way to start something; the child keeps it waiting until stdin ends.
static long start_by_vfork(void)
{
    pid_t child = vfork();
    check(child, "vfork");
    if (child == 0) {
        struct pollfd input = {0, POLLIN, 0};
        poll(&input, 1, milliseconds);
        _exit(7);
    }
    int status;
    return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7 ? 0 : -1;
}

static long with_mask(const char *way)
{
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    signal(SIGUSR1, tell);
    sigprocmask(SIG_BLOCK, &some, NULL);
    struct timespec time = span();
    if (strcmp(way, "sigtimedwait") == 0)
        return sigtimedwait(&some, NULL, &time);
    sigset_t none;
    sigemptyset(&none);
    if (strcmp(way, "sigsuspend") == 0)
        return sigsuspend(&none);
    struct pollfd input = {0, POLLIN, 0};
    return ppoll(&input, 1, &time, &none);
}

static long be_busy(const char *way)
{
    char byte;
    struct timespec time = span();
    struct pollfd input = {0, POLLIN, 0};
    if (strcmp(way, "read") == 0)
        return read(0, &byte, 1);
    if (strcmp(way, "nanosleep") == 0)
        return nanosleep(&time, NULL);
    if (strcmp(way, "clock_nanosleep") == 0)
        return clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
    if (strcmp(way, "poll") == 0)
        return poll(&input, 1, milliseconds);
    if (strcmp(way, "select") == 0) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(0, &set);
        struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
        return select(1, &set, NULL, NULL, &limit);
    }
    if (strcmp(way, "epoll") == 0) {
        struct epoll_event event = {EPOLLIN, {0}};
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
        return epoll_wait(epoll, &event, 1, milliseconds);
    }
    if (strcmp(way, "futex") == 0) {
        static uint32_t word;
        return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &time, NULL, 0);
    }
    if (strcmp(way, "pause") == 0) {
        signal(SIGUSR1, tell);
        return pause();
    }
    if (strcmp(way, "wait") == 0)
        return wait_for_child();
    if (strcmp(way, "sum") == 0)
        return sum();
    if (strcmp(way, "clock") == 0)
        return look_at_clock();
    if (strcmp(way, "handler") == 0)
        return in_handler();
    if (strcmp(way, "vfork") == 0)
        return start_by_vfork();
    if (strcmp(way, "leaderless") == 0) {
        start(toil);
        start(rest);
        pthread_exit(NULL);
    }
    return with_mask(way);
}

int main(int count, char **words)
{
    int at = 1;
    while (at < count && take_on(words[at]))
        at++;
    const char *way = at < count ? words[at] : "read";
    if (at + 1 < count)
        milliseconds = atoi(words[at + 1]);
    if (write(1, "ready\n", 6) != 6)
        return 111;
    errno = 0;
    const long result = be_busy(way);
    char line[128];
    int length = snprintf(line, sizeof line, "Good Bye %s %ld %d\n", way, result, errno);
    return write(1, line, (size_t)length) == length ? 5 : 111;
}
