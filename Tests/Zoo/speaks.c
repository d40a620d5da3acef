// SPDX-License-Identifier: Apache-2.0
// speaks: a program for a taken-over connection. Says "hello", answers each line with its length, ends at "quit" with
// code 4.
#include <stdio.h>
#include <string.h>

int main(void)
{
    char line[4096];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("hello");
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "quit\n") == 0)
            return 4;
        printf("%zu\n", strcspn(line, "\n"));
    }
    return 0;
}
