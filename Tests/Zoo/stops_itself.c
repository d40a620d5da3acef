// SPDX-License-Identifier: Apache-2.0
// stops_itself: stops by SIGSTOP, and once continued prints "continued" and exits with code 6.
#include <signal.h>
#include <unistd.h>

int main(void)
{
    raise(SIGSTOP);
    if (write(1, "continued\n", 10) != 10)
        return 1;
    return 6;
}
