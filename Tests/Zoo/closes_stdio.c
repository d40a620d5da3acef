// SPDX-License-Identifier: Apache-2.0
// closes_stdio: closes its descriptors 0 to 2 and waits for ever.
#include <unistd.h>

int main(void)
{
    close(0);
    close(1);
    close(2);
    for (;;)
        pause();
}
