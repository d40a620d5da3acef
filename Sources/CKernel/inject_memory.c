// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "inject_tracee.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

int pk_write_memory(struct pk_tracee *tracee, uint64_t to, const void *bytes, uint64_t size)
{
    uint64_t done = 0;
    while (done < size) {
        struct iovec ours = {.iov_base = (char *)(uintptr_t)bytes + done, .iov_len = size - done};
        struct iovec theirs = {.iov_base = (void *)(uintptr_t)(to + done), .iov_len = size - done};
        ssize_t count = process_vm_writev(tracee->tid, &ours, 1, &theirs, 1, 0);
        if (count <= 0)
            break;
        done += (uint64_t)count;
    }
    // A container's filter may refuse process_vm_writev(2) and allow ptrace(2): a word at a time then.
    for (; done < size; done += sizeof(long)) {
        long word = 0;
        const uint64_t rest = size - done;
        errno = 0;
        if (rest < sizeof word && (word = ptrace(PTRACE_PEEKDATA, tracee->tid, (void *)(to + done), NULL)) == -1 &&
            errno != 0)
            return -errno;
        memcpy(&word, (const char *)bytes + done, rest < sizeof word ? rest : sizeof word);
        int error = pk_request(tracee, PTRACE_POKEDATA, to + done, (uint64_t)word);
        if (error)
            return error;
    }
    return 0;
}

/// Reads up to `size` bytes; how many, or -errno.
static ssize_t read_some(pid_t tid, uint64_t from, void *bytes, uint64_t size)
{
    struct iovec ours = {.iov_base = bytes, .iov_len = size};
    struct iovec theirs = {.iov_base = (void *)(uintptr_t)from, .iov_len = size};
    ssize_t count = process_vm_readv(tid, &ours, 1, &theirs, 1, 0);
    if (count > 0)
        return count;
    size_t done = 0;
    while (done < size) {
        errno = 0;
        const long word = ptrace(PTRACE_PEEKDATA, tid, (void *)(uintptr_t)(from + done), NULL);
        if (word == -1 && errno != 0)
            return done > 0 ? (ssize_t)done : -errno;
        const size_t rest = size - done;
        memcpy((char *)bytes + done, &word, rest < sizeof word ? rest : sizeof word);
        done += rest < sizeof word ? rest : sizeof word;
    }
    return (ssize_t)done;
}

int pk_read_memory(struct pk_tracee *tracee, uint64_t from, void *bytes, uint64_t size)
{
    ssize_t count = read_some(tracee->tid, from, bytes, size);
    return count < 0 ? (int)count : (uint64_t)count < size ? -EFAULT : 0;
}

/// The first system call instruction in [from, to); 0: there is none.
static uint64_t search(pid_t tid, uint64_t from, uint64_t to, bool compat)
{
    enum { CHUNK = 8192 };
    uint8_t code[CHUNK];
    unsigned size, alignment;
    const uint8_t *wanted = pk_call_instruction(compat, &size, &alignment);
    while (wanted && from + size <= to) {
        const ssize_t count = read_some(tid, from, code, to - from < CHUNK ? to - from : CHUNK);
        if (count < (ssize_t)size)
            return 0;
        const uint8_t *at = code;
        while ((at = memmem(at, (size_t)(code + count - at), wanted, size)) && (size_t)(at - code) % alignment != 0)
            at++;
        if (at)
            return from + (uint64_t)(at - code);
        // The next chunk begins with what may be the first bytes of one.
        from += (uint64_t)count - (alignment == 1 ? size - 1 : 0);
    }
    return 0;
}

/// Where the vdso lies, by the auxiliary vector (getauxval(3), AT_SYSINFO_EHDR).
static uint64_t vdso_address(pid_t tid, bool compat)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/auxv", (int)tid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    uint64_t words[128];
    const ssize_t size = read(file, words, sizeof words);
    close(file);
    const uint32_t *halves = (const uint32_t *)words;
    const ssize_t count = size / (compat ? 4 : 8);
    for (ssize_t i = 0; i + 1 < count; i += 2) {
        const uint64_t type = compat ? halves[i] : words[i];
        if (type == AT_NULL)
            break;
        if (type == AT_SYSINFO_EHDR)
            return compat ? halves[i + 1] : words[i + 1];
    }
    return 0;
}

/// The vdso is two pages or a few more; what lies behind it is asked for in vain.
enum { VDSO_MOST = 16384 };

uint64_t pk_find_instruction(struct pk_tracee *tracee, bool compat)
{
    const uint64_t vdso = vdso_address(tracee->tid, compat);
    uint64_t found = vdso ? search(tracee->tid, vdso, vdso + VDSO_MOST, compat) : 0;
    if (found)
        return found;
    // Booted with vdso=0, or its program has moved it: any code that may be executed will do.
    char path[32], *line = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)tracee->tid);
    FILE *maps = fopen(path, "re");
    while (maps && !found && getline(&line, &room, maps) > 0) {
        unsigned long long from, to;
        char read_allowed, execute_allowed;
        if (sscanf(line, "%llx-%llx %c%*c%c", &from, &to, &read_allowed, &execute_allowed) == 4 &&
            read_allowed == 'r' && execute_allowed == 'x' && !strstr(line, "[vsyscall]"))
            found = search(tracee->tid, from, to, compat);
    }
    free(line);
    if (maps)
        fclose(maps);
    return found;
}
