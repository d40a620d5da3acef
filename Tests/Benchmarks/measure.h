// SPDX-License-Identifier: Apache-2.0
// What the benchmark programs share: a clock, percentiles, and the one line of JSON each prints.
#ifndef MEASURE_H
#define MEASURE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/// Nanoseconds of CLOCK_MONOTONIC.
static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// Ends the program with a line on stderr; errno is named when it is set.
_Noreturn static inline void die(const char *what) {
    fprintf(stderr, "%s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static inline int compare_ns(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/// Prints `{"p50": ns, "p10": ns, "p90": ns, "p99": ns, "rate": per second}` for `count` durations that took `total` ns in all.
static inline void report(int64_t *times, int count, int64_t total) {
    qsort(times, (size_t)count, sizeof *times, compare_ns);
    printf("{\"p50\": %lld, \"p10\": %lld, \"p90\": %lld, \"p99\": %lld, \"rate\": %.1f}\n", (long long)times[count / 2],
           (long long)times[count / 10], (long long)times[count - 1 - count / 10],
           (long long)times[count - 1 - count / 100], count * 1e9 / (double)total);
}

#endif
