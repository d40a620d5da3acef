// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "closer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/// Major numbers (Documentation/admin-guide/devices.txt) of devices whose close has nothing to wait for: /dev/null and
/// its kind, and the slaves of pseudo-terminals.
enum { MAJOR_MEMORY = 1, MAJOR_SLAVES_FIRST = 136, MAJOR_SLAVES_LAST = 143 };

/// Asks nothing of the file's server: fstat(2) could block as well, statx(2) with AT_STATX_DONT_SYNC does not.
static bool closes_at_once(int descriptor)
{
    if (fcntl(descriptor, F_GETPIPE_SZ) >= 0)
        return true;
    int domain;
    socklen_t size = sizeof domain;
    if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0)
        return domain == AF_UNIX;
    struct statx status;
    if (statx(descriptor, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) != 0)
        return false;
    const unsigned device = status.stx_rdev_major;
    return S_ISCHR(status.stx_mode) &&
           (device == MAJOR_MEMORY || (device >= MAJOR_SLAVES_FIRST && device <= MAJOR_SLAVES_LAST));
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
