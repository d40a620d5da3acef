// SPDX-License-Identifier: Apache-2.0
// dies_by SIGNAL: ends by that signal, 1 to 64, with its default action. Exits 99 when the signal does not kill.
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int number = argc > 1 ? atoi(argv[1]) : SIGKILL;
    // Raw calls: glibc keeps 32 and 33 for itself and refuses to touch them.
    unsigned long none = 0;
    struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } action = {0};
    syscall(SYS_rt_sigaction, number, &action, NULL, sizeof none);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
    _exit(99);
}
