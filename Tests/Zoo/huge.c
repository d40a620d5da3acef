// SPDX-License-Identifier: Apache-2.0
// huge: does not fit into a small RLIMIT_AS. execve notices it when it maps it, past the point of no return.
static volatile char room[1 << 30];

int main(int count, char **words)
{
    (void)words;
    return room[count];
}
