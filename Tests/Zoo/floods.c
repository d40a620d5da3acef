// SPDX-License-Identifier: Apache-2.0
// floods BYTES [CODE]: writes that many bytes (0: without end) as lines "0000000", "0000008"..., each its own offset;
// then exits with the code.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    unsigned long long wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    unsigned long long made = 0;
    while (wanted == 0 || made < wanted) {
        char block[4096 + 1];
        for (int at = 0; at < 4096; at += 8)
            snprintf(block + at, 9, "%07llu\n", (made + at) % 10000000);
        size_t length = 4096;
        if (wanted != 0 && wanted - made < length)
            length = wanted - made;
        for (size_t done = 0; done < length;) {
            ssize_t wrote = write(1, block + done, length - done);
            if (wrote < 0)
                return 100;
            done += wrote;
        }
        made += length;
    }
    return argc > 2 ? atoi(argv[2]) : 0;
}
