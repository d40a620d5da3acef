// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "closer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static void *close_it(void *number)
{
    close((int)(intptr_t)number);
    return NULL;
}

/// Asks nothing of the file's owner: fstat(2) could block as well.
static bool closes_at_once(int descriptor)
{
    if (fcntl(descriptor, F_GETPIPE_SZ) >= 0)
        return true;
    int domain;
    socklen_t size = sizeof domain;
    return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

void pk_close_foreign(int descriptor)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    if (!closes_at_once(descriptor)) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, 64 * 1024);
        int failed = pthread_create(&thread, &attributes, close_it, (void *)(intptr_t)descriptor);
        pthread_attr_destroy(&attributes);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!failed)
            return;
    }
    close(descriptor);
}
