// SPDX-License-Identifier: Apache-2.0
// half_character exit: prints "a" and two of the three bytes of U+20AC, and ends.
// half_character stay: the same, but waits for USR1 and then prints the third byte and "z".
#include <signal.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    sigset_t usr1;
    int number;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    if (write(1, "a\xe2\x82", 3) != 3)
        return 1;
    if (argc > 1 && strcmp(argv[1], "stay") == 0) {
        sigwait(&usr1, &number);
        if (write(1, "\xacz", 2) != 2)
            return 1;
    }
    return 0;
}
