// SPDX-License-Identifier: Apache-2.0
// The least of a JSON-RPC client in C: one connection, messages as lines, and just enough JSON to find a member.
#ifndef WIRE_H
#define WIRE_H

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "measure.h"

struct wire {
    int fd;
    char *bytes;
    size_t capacity, start, end, searched;
};

static inline struct wire wire_connect(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) die("the path is too long");
    strcpy(address.sun_path, path);
    struct wire wire = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .capacity = 1 << 17};
    if (connect(wire.fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    wire.bytes = malloc(wire.capacity);
    return wire;
}

static inline void wire_send(struct wire *wire, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t n = write(wire->fd, bytes, length);
        if (n < 0 && errno != EINTR) die("write");
        if (n > 0) bytes += n, length -= (size_t)n;
    }
}

/// The next line, NUL in place of its newline, valid until the next call. Ends the program at the end of the connection.
static inline char *wire_line(struct wire *wire) {
    for (;;) {
        char *from = wire->bytes + wire->start + wire->searched;
        char *newline = memchr(from, '\n', wire->end - wire->start - wire->searched);
        if (newline) {
            char *line = wire->bytes + wire->start;
            *newline = 0;
            wire->start = (size_t)(newline + 1 - wire->bytes);
            wire->searched = 0;
            return line;
        }
        wire->searched = wire->end - wire->start;
        if (wire->start > 0) {
            memmove(wire->bytes, wire->bytes + wire->start, wire->searched);
            wire->start = 0;
            wire->end = wire->searched;
        }
        if (wire->end == wire->capacity) wire->bytes = realloc(wire->bytes, wire->capacity *= 2);
        ssize_t n = read(wire->fd, wire->bytes + wire->end, wire->capacity - wire->end);
        if (n == 0) die("the server closed the connection");
        if (n < 0 && errno != EINTR) die("read");
        if (n > 0) wire->end += (size_t)n;
    }
}

/// The closing quotation mark of the JSON string that starts at `p`. By strchr(3): a megabyte of text is one string.
static inline const char *json_string_end(const char *p) {
    for (const char *start = ++p;; p++) {
        if (!(p = strchr(p, '"'))) die("a string has no end");
        const char *backslash = p;
        while (backslash > start && backslash[-1] == '\\') backslash--;
        if ((p - backslash) % 2 == 0) return p;
    }
}

/// The end of the JSON value that starts at `p`.
static inline const char *json_skip(const char *p) {
    int depth = 0;
    for (;; p++) {
        if (*p == '"') {
            p = json_string_end(p);
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0) return p;
            depth--;
        } else if (*p == 0 || (*p == ',' && depth == 0)) {
            return p;
        }
        if (depth == 0 && (*p == '}' || *p == ']' || *p == '"')) return p + 1;
    }
}

/// The value of a member of the object that starts at `p`, or NULL.
static inline const char *json_member(const char *p, const char *name) {
    size_t length = strlen(name);
    for (p++; *p == '"'; ) {
        const char *key = p + 1, *value = json_skip(p);
        int found = (size_t)(value - key - 1) == length && !memcmp(key, name, length);
        for (; *value == ':' || *value == ' '; value++) {
        }
        if (found) return value;
        for (p = json_skip(value); *p == ',' || *p == ' '; p++) {
        }
    }
    return NULL;
}

/// The result of the reply in `line`; ends the program when it is an error.
static inline const char *json_result(const char *line) {
    const char *result = json_member(line, "result");
    if (!result) {
        errno = 0;
        fprintf(stderr, "%.400s\n", line);
        die("the server answered with an error");
    }
    return result;
}

/// An integer member of the object at `p`; ends the program when it is not there.
static inline long long json_integer(const char *p, const char *name) {
    const char *value = json_member(p, name);
    if (!value) die("a member is missing");
    return atoll(value);
}

#endif
