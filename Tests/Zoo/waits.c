// SPDX-License-Identifier: Apache-2.0
// waits: says "ready" and waits for ever, every signal at its default.
#include <unistd.h>

int main(void)
{
    if (write(1, "ready\n", 6) != 6)
        return 1;
    for (;;)
        pause();
}
