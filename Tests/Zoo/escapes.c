// SPDX-License-Identifier: Apache-2.0
// escapes FLAGS: starts a descendant that tries to get away, prints its pid in a line, and waits for ever.
//   s  the descendant makes a session of its own        d  forks twice, so that its parent is gone
//   h  keeps stdout and stderr open (else closes them)  t  ignores TERM
//   l  this process then leaves with code 0             n  prints nothing
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *flags;

static int has(char flag)
{
    return strchr(flags, flag) != NULL;
}

static void live(int report)
{
    if (has('t'))
        signal(SIGTERM, SIG_IGN);
    if (!has('h')) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
    }
    pid_t self = getpid();
    if (write(report, &self, sizeof self) != sizeof self)
        _exit(1);
    close(report);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    flags = argc > 1 ? argv[1] : "";
    int report[2];
    if (pipe(report) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        close(report[0]);
        if (has('s'))
            setsid();
        if (has('d') && fork() != 0)
            _exit(0);
        live(report[1]);
    }
    close(report[1]);
    if (has('d'))
        waitpid(child, NULL, 0);
    pid_t escaped = 0;
    if (read(report[0], &escaped, sizeof escaped) != sizeof escaped)
        return 1;
    if (!has('n'))
        dprintf(1, "%d\n", (int)escaped);
    if (has('l'))
        return 0;
    for (;;)
        pause();
}
