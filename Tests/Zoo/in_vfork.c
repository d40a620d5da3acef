// SPDX-License-Identifier: Apache-2.0
// in_vfork: says "ready", makes a child by vfork(2) that reads a byte from stdin and ends, says "child ended", and waits.
// As long as the child has not ended nothing interrupts this process.
#include <sys/types.h>
#include <unistd.h>

int main(void)
{
    if (write(1, "ready\n", 6) != 6)
        return 1;
    pid_t child = vfork();
    if (child == 0) {
        char byte;
        _exit(read(0, &byte, 1) == 1 ? 0 : 1);
    }
    if (child < 0 || write(1, "child ended\n", 12) != 12)
        return 1;
    for (;;)
        pause();
}
