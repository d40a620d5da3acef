// SPDX-License-Identifier: Apache-2.0
// A client of procctld that costs next to nothing, so that what is measured is the server.
// usage: load ping SOCKET COUNT                           round trips (also of the echo server)
//        load one SOCKET COUNT PROGRAM STREAM             spawn and wait in one write, until the exit is known
//        load flight SOCKET COUNT FLIGHT PROGRAM STREAM   the same, FLIGHT of them under way on one connection
//        load live SOCKET COUNT PROGRAM                   COUNT programs at once: start, wait for any, list, kill
//        load hold SOCKET COUNT PROGRAM                   starts COUNT programs and leaves them
//        load replace SOCKET COUNT IDLE PROGRAM           COUNT running programs IDLE, each replaced, until its exit is known
//        load read SOCKET PROGRAM                         reads a program's captured output to its end
//        load follow SOCKET PROGRAM                       starts it over and over, subscribed to all it writes, for ever
#define _GNU_SOURCE
#include <stdarg.h>

#include "wire.h"

static struct wire wire;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    static char bytes[1 << 17];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(bytes, sizeof bytes, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof bytes) die("a message is too long");
    wire_send(&wire, bytes, (size_t)length);
}

static void ping(int count) {
    static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    int64_t *times = calloc((size_t)count, sizeof *times), start = now_ns();
    for (int i = 0; i < count; i++) {
        int64_t begin = now_ns();
        wire_send(&wire, request, sizeof request - 1);
        wire_line(&wire);
        times[i] = now_ns() - begin;
    }
    report(times, count, now_ns() - start);
}

/// Requests to start a program and to wait for it. Ids count up, and nobody else spawns: the next one is known beforehand.
static void ask(long long process, const char *program, const char *stream) {
    say("{\"jsonrpc\":\"2.0\",\"id\":\"%lld\",\"method\":\"spawn\",\"params\":{\"argv\":[\"%s\"],\"stdout\":\"%s\",\"stderr\":\"%s\"}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"method\":\"wait\",\"params\":{\"processes\":[%lld]}}\n",
        process, program, stream, stream, process, process);
}

static long long first_process(const char *program, const char *stream) {
    say("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"spawn\",\"params\":{\"argv\":[\"%s\"],\"stdout\":\"%s\"}}\n", program, stream);
    long long process = json_integer(json_result(wire_line(&wire)), "id");
    say("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"wait\",\"params\":{\"processes\":[%lld]}}\n", process);
    json_result(wire_line(&wire));
    return process;
}

static void flight(int count, int flying, const char *program, const char *stream) {
    long long first = first_process(program, stream) + 1;
    int64_t *since = calloc((size_t)count, sizeof *since), *times = calloc((size_t)count, sizeof *times), start = now_ns();
    int asked = 0;
    for (int done = 0; done < count;) {
        for (; asked < count && asked - done < flying; asked++) {
            since[asked] = now_ns();
            ask(first + asked, program, stream);
        }
        const char *line = wire_line(&wire);
        json_result(line);
        const char *identifier = json_member(line, "id");
        if (*identifier == '"') continue;
        times[done++] = now_ns() - since[atoll(identifier) - first];
    }
    // The replies to the last spawns may come behind those of their waits.
    report(times, count, now_ns() - start);
}

static long long start_many(int count, const char *program) {
    enum { FLIGHT = 64 };
    long long first = 0;
    for (int asked = 0, done = 0; done < count; done++) {
        for (; asked < count && asked - done < FLIGHT; asked++) {
            say("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"spawn\",\"params\":{\"argv\":[\"%s\"],\"stdout\":\"null\",\"stderr\":\"null\","
                "\"labels\":{\"bench\":\"live\"}}}\n", asked, program);
        }
        long long id = json_integer(json_result(wire_line(&wire)), "id");
        if (done == 0) first = id;
    }
    return first;
}

/// Per process, in ns: to start COUNT, to learn which of ten was killed, to list all, to kill the rest and see them gone.
static void live(int count, const char *program) {
    int64_t start = now_ns();
    long long first = start_many(count, program);
    int64_t spawned = now_ns();
    int victims = count < 5 ? count : 5;
    for (int i = 0; i < victims; i++) {
        char set[256];
        int length = 0;
        for (int k = i; k < i + 10 && k < count; k++) {
            length += snprintf(set + length, sizeof set - (size_t)length, "%s%lld", k > i ? "," : "", first + k);
        }
        say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"processes\":[%s],\"mode\":\"any\"}}\n"
            "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"kill\",\"params\":{\"processes\":[%lld],\"signal\":\"KILL\"}}\n",
            set, first + i);
        json_result(wire_line(&wire));
        json_result(wire_line(&wire));
    }
    int64_t told = now_ns();
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\",\"params\":{\"labels\":{\"bench\":\"live\"}}}\n");
    json_result(wire_line(&wire));
    int64_t listed = now_ns();
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"kill\",\"params\":{\"processes\":{\"labels\":{\"bench\":\"live\"}},"
        "\"signal\":\"KILL\",\"wait\":true}}\n");
    json_result(wire_line(&wire));
    int64_t killed = now_ns();
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"release\",\"params\":{\"processes\":\"all\"}}\n");
    json_result(wire_line(&wire));
    printf("{\"spawn\": %lld, \"any\": %lld, \"list\": %lld, \"kill\": %lld}\n", (long long)(spawned - start) / count,
           (long long)(told - spawned) / victims, (long long)(listed - told) / count,
           (long long)(killed - listed) / count);
}

/// A few at a time, as the measure is one replacement and not a crowd.
static void replace(int count, const char *idle, const char *program) {
    enum { AT_ONCE = 16 };
    int64_t *times = calloc((size_t)count, sizeof *times), start = now_ns();
    for (int done = 0; done < count;) {
        int some = count - done < AT_ONCE ? count - done : AT_ONCE;
        long long first = start_many(some, idle);
        for (int i = 0; i < some; i++) {
            int64_t begin = now_ns();
            say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"exec-replace\",\"params\":{\"process\":%lld,\"argv\":[\"%s\"]}}\n"
                "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"wait\",\"params\":{\"processes\":[%lld]}}\n",
                first + i, program, first + i);
            json_result(wire_line(&wire));
            json_result(wire_line(&wire));
            times[done++] = now_ns() - begin;
        }
    }
    report(times, count, now_ns() - start);
}

static void read_output(const char *program) {
    int64_t start = now_ns();
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"spawn\",\"params\":{\"argv\":[\"%s\"],\"output\":{\"when_full\":\"block\"}}}\n", program);
    long long process = json_integer(json_result(wire_line(&wire)), "id"), offset = 0;
    for (;;) {
        say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"read\",\"params\":{\"process\":%lld,\"offset\":%lld,\"limit\":1048576,"
            "\"timeout_ms\":10000}}\n", process, offset);
        const char *chunk = json_result(wire_line(&wire));
        if (json_member(chunk, "gap")) die("a gap in lossless output");
        offset = json_integer(chunk, "next_offset");
        if (*json_member(chunk, "end") == 't') break;
    }
    int64_t end = now_ns();
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"processes\":[%lld]}}\n", process);
    json_result(wire_line(&wire));
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"release\",\"params\":{\"processes\":[%lld]}}\n", process);
    json_result(wire_line(&wire));
    printf("{\"bytes\": %lld, \"ns\": %lld}\n", offset, (long long)(end - start));
}

_Noreturn static void follow(const char *program) {
    say("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"subscribe\",\"params\":{\"events\":[\"output\",\"drained\"],\"lossless\":true}}\n");
    json_result(wire_line(&wire));
    for (;;) {
        say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"spawn\",\"params\":{\"argv\":[\"%s\"],\"lifetime\":\"connection\","
            "\"output\":{\"when_full\":\"block\"}}}\n", program);
        while (strncmp(json_member(wire_line(&wire), "method") ?: "", "\"drained\"", 9)) {
        }
    }
}

int main(int argc, char **argv) {
    if (argc < 4) die("usage: load ping|one|flight|live|hold|replace|read|follow SOCKET …");
    const char *mode = argv[1];
    wire = wire_connect(argv[2]);
    if (!strcmp(mode, "ping")) ping(atoi(argv[3]));
    else if (!strcmp(mode, "one") && argc == 6) flight(atoi(argv[3]), 1, argv[4], argv[5]);
    else if (!strcmp(mode, "flight") && argc == 7) flight(atoi(argv[3]), atoi(argv[4]), argv[5], argv[6]);
    else if (!strcmp(mode, "live") && argc == 5) live(atoi(argv[3]), argv[4]);
    else if (!strcmp(mode, "hold") && argc == 5) printf("{\"first\": %lld}\n", start_many(atoi(argv[3]), argv[4]));
    else if (!strcmp(mode, "replace") && argc == 6) replace(atoi(argv[3]), argv[4], argv[5]);
    else if (!strcmp(mode, "read")) read_output(argv[3]);
    else if (!strcmp(mode, "follow")) follow(argv[3]);
    else die("no such mode");
    return 0;
}
