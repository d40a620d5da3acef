// SPDX-License-Identifier: Apache-2.0
// An echo server on a Unix stream socket, with epoll: what the round trip of `ping` is measured against.
// usage: echo SOCKET     (serves until it is killed; one line on stdout says that it listens)
#define _GNU_SOURCE
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "measure.h"

static void add(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void serve(int fd) {
    char bytes[65536];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n <= 0) {
        close(fd);
        return;
    }
    for (ssize_t sent = 0; sent < n;) {
        ssize_t m = write(fd, bytes + sent, (size_t)(n - sent));
        if (m < 0) break;
        sent += m;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: echo SOCKET");
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(argv[1]) >= sizeof address.sun_path) die("the path is too long");
    strcpy(address.sun_path, argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) die("listen");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    add(epoll, listener);
    puts("listening");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) add(epoll, fd);
        }
    }
}
