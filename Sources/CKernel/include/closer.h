// SPDX-License-Identifier: Apache-2.0
#ifndef CKERNEL_CLOSER_H
#define CKERNEL_CLOSER_H

/// Closes a descriptor that came from somebody else. Its close may block for as long as its owner likes (a
/// file of a dead file server, a socket that lingers): all but pipes, Unix sockets and plain devices are closed by
/// short-lived threads, a few at the most.
void pk_close_foreign(int descriptor);

#endif
