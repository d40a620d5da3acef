// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int pk_terminal_open(int *master, int *slave)
{
    int error;
    int descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    int locked = 0;
    if (ioctl(descriptor, TIOCSPTLCK, &locked) != 0)
        goto failed;
    *slave = ioctl(descriptor, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*slave < 0)
        goto failed;
    *master = descriptor;
    return 0;
failed:
    error = errno;
    close(descriptor);
    return -error;
}

int pk_terminal_resize(int terminal, uint16_t rows, uint16_t columns)
{
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(terminal, TIOCSWINSZ, &size) != 0 ? -errno : 0;
}

int pk_terminal_end_character(int terminal)
{
    struct termios settings;
    return tcgetattr(terminal, &settings) != 0 ? 0 : settings.c_cc[VEOF];
}
