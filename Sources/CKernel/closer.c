// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "closer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/// Threads that close at the same time. When all hang, the rest waits: never does the loop close one of these.
enum { CLOSERS_MAX = 4 };

struct waiting {
    int descriptor;
    struct waiting *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiting *first;
static int closers;

static void *close_all(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&lock);
        struct waiting *next = first;
        if (next)
            first = next->next;
        else
            closers--;
        pthread_mutex_unlock(&lock);
        if (!next)
            return NULL;
        close(next->descriptor);
        free(next);
    }
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

static bool start_closer(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    bool started = pthread_create(&thread, &attributes, close_all, NULL) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void pk_close_foreign(int descriptor)
{
    struct waiting *entry = closes_at_once(descriptor) ? NULL : malloc(sizeof *entry);
    if (!entry) {
        close(descriptor);
        return;
    }
    entry->descriptor = descriptor;
    pthread_mutex_lock(&lock);
    entry->next = first;
    first = entry;
    bool needed = closers < CLOSERS_MAX;
    if (needed)
        closers++;
    pthread_mutex_unlock(&lock);
    if (needed && !start_closer()) {
        // The next one tries again.
        pthread_mutex_lock(&lock);
        closers--;
        pthread_mutex_unlock(&lock);
    }
}
