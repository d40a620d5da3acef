// SPDX-License-Identifier: Apache-2.0
// breeds N: starts N children that all ignore TERM and hold its stdout, says "ready" and waits for ever.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 1;
    // Ignored before there are children, so that none of them can be hit on its way there.
    signal(SIGTERM, SIG_IGN);
    for (int made = 0; made < wanted; made++)
        if (fork() == 0)
            for (;;)
                pause();
    signal(SIGTERM, SIG_DFL);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    for (;;)
        pause();
}
