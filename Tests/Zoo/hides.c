// SPDX-License-Identifier: Apache-2.0
// hides: may not be looked at by anybody without a capability (prctl(2), PR_SET_DUMPABLE), says "ready" and waits.
#include <sys/prctl.h>
#include <unistd.h>

int main(void)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || write(1, "ready\n", 6) != 6)
        return 1;
    for (;;)
        pause();
}
