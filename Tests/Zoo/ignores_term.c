// SPDX-License-Identifier: Apache-2.0
// ignores_term: ignores TERM, INT and HUP, says "ready" and waits for ever.
#include <signal.h>
#include <unistd.h>

int main(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    for (;;)
        pause();
}
