// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_TERMINAL_H
#define CKERNEL_TERMINAL_H

#include <stdint.h>

/// A new pseudo-terminal (pty(7)): the master non-blocking, both ends close-on-exec, neither anybody's controlling
/// terminal. The slave is opened from the master (TIOCGPTPEER, Linux 4.13): no path, no other mount of devpts can come
/// between. 0 or -errno.
int pk_terminal_open(int *master, int *slave);

/// The size of a terminal, by either end (ioctl_tty(2), TIOCSWINSZ): the kernel sends SIGWINCH to the foreground group
/// if it changes. 0 or -errno.
int pk_terminal_resize(int terminal, uint16_t rows, uint16_t columns);

/// The character that ends input (VEOF, termios(3)) by the terminal's present settings; 0 if it has none.
int pk_terminal_end_character(int terminal);

#endif
