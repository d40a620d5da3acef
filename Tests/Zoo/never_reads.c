// SPDX-License-Identifier: Apache-2.0
// never_reads: says "ready", never reads its stdin, ends with code 5 at USR1.
#include <signal.h>
#include <unistd.h>

static void leave(int number)
{
    (void)number;
    _exit(5);
}

int main(void)
{
    signal(SIGUSR1, leave);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    for (;;)
        pause();
}
