// SPDX-License-Identifier: Apache-2.0
// exits CODE: ends at once with that code.
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    _exit(argc > 1 ? atoi(argv[1]) : 0);
}
