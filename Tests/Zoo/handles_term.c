// SPDX-License-Identifier: Apache-2.0
// handles_term CODE: says "ready", waits for TERM, says "bye" and exits with the code.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int code;

static void leave(int number)
{
    (void)number;
    if (write(1, "bye\n", 4) != 4)
        code = 1;
    _exit(code);
}

int main(int argc, char **argv)
{
    code = argc > 1 ? atoi(argv[1]) : 0;
    signal(SIGTERM, leave);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    for (;;)
        pause();
}
