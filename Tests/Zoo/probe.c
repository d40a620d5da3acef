// SPDX-License-Identifier: Apache-2.0
// probe [--to=PATH] [ANYTHING...]: prints as one line of JSON what it was started with, to stdout or to PATH.
// Descriptors are looked at first, before this program opens any of its own.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static char descriptors[1 << 16];

static void note(const char *piece)
{
    strncat(descriptors, piece, sizeof descriptors - strlen(descriptors) - 1);
}

static void look_at_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    const char *comma = "";
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        int number = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || number == dirfd(directory))
            continue;
        char path[64], target[4096], piece[4400];
        snprintf(path, sizeof path, "/proc/self/fd/%d", number);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        for (char *c = target; *c; c++)
            if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20)
                *c = '?';
        int flags = fcntl(number, F_GETFL);
        snprintf(piece, sizeof piece,
                 "%s\"%d\":{\"target\":\"%s\",\"nonblock\":%s,\"cloexec\":%s,\"append\":%s,\"access\":%d}",
                 comma, number, target, flags & O_NONBLOCK ? "true" : "false",
                 fcntl(number, F_GETFD) & FD_CLOEXEC ? "true" : "false", flags & O_APPEND ? "true" : "false",
                 flags & O_ACCMODE);
        note(piece);
        comma = ",";
    }
    if (directory != NULL)
        closedir(directory);
}

static void print_base64(FILE *out, const char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = strlen(text);
    fputc('"', out);
    for (size_t at = 0; at < length; at += 3) {
        unsigned group = bytes[at] << 16;
        group |= at + 1 < length ? bytes[at + 1] << 8 : 0;
        group |= at + 2 < length ? bytes[at + 2] : 0;
        fputc(alphabet[group >> 18], out);
        fputc(alphabet[group >> 12 & 63], out);
        fputc(at + 1 < length ? alphabet[group >> 6 & 63] : '=', out);
        fputc(at + 2 < length ? alphabet[group & 63] : '=', out);
    }
    fputc('"', out);
}

static void print_list(FILE *out, const char *name, char **list)
{
    fprintf(out, ",\"%s\":[", name);
    for (char **item = list; *item != NULL; item++) {
        if (item != list)
            fputc(',', out);
        print_base64(out, *item);
    }
    fputc(']', out);
}

static void print_signals(FILE *out)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[512];
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        char name[32], mask[32];
        if (sscanf(line, "%31[A-Za-z]: %31s", name, mask) == 2
            && (!strncmp(name, "SigB", 4) || !strncmp(name, "SigI", 4) || !strncmp(name, "SigC", 4)
                || !strncmp(name, "SigP", 4) || !strncmp(name, "ShdP", 4)))
            fprintf(out, ",\"%s\":\"%s\"", name, mask);
    }
    if (status != NULL)
        fclose(status);
}

static void print_limits(FILE *out)
{
    static const struct { const char *name; int number; } limits[] = {
        {"nofile", RLIMIT_NOFILE}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA},
        {"fsize", RLIMIT_FSIZE}, {"as", RLIMIT_AS}, {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK},
        {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE}, {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS},
        {"rtprio", RLIMIT_RTPRIO}, {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING},
        {"stack", RLIMIT_STACK},
    };
    fprintf(out, ",\"rlimits\":{");
    for (size_t at = 0; at < sizeof limits / sizeof *limits; at++) {
        struct rlimit limit = {0, 0};
        getrlimit(limits[at].number, &limit);
        // -1 stands for unlimited, as Python's resource module has it.
        fprintf(out, "%s\"%s\":[%lld,%lld]", at ? "," : "", limits[at].name, (long long)limit.rlim_cur,
                (long long)limit.rlim_max);
    }
    fprintf(out, "}");
}

static void print_identity(FILE *out)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid, groups[256];
    getresuid(&ruid, &euid, &suid);
    getresgid(&rgid, &egid, &sgid);
    fprintf(out, ",\"uids\":[%u,%u,%u],\"gids\":[%u,%u,%u],\"groups\":[", ruid, euid, suid, rgid, egid, sgid);
    int count = getgroups(256, groups);
    for (int at = 0; at < count; at++)
        fprintf(out, "%s%u", at ? "," : "", groups[at]);
    fprintf(out, "]");
}

int main(int argc, char **argv)
{
    look_at_descriptors();
    FILE *out = stdout;
    for (int at = 1; at < argc; at++)
        if (strncmp(argv[at], "--to=", 5) == 0 && (out = fopen(argv[at] + 5, "we")) == NULL)
            return 1;
    char cwd[4096];
    if (getcwd(cwd, sizeof cwd) == NULL)
        strcpy(cwd, "?");
    mode_t mask = umask(0);
    int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    fprintf(out, "{\"pid\":%d,\"ppid\":%d,\"session\":%d,\"pgid\":%d,\"tty\":%s,\"umask\":%u", getpid(), getppid(),
            getsid(0), getpgid(0), terminal >= 0 ? "true" : "false", mask);
    errno = 0;
    fprintf(out, ",\"nice\":%d,\"no_new_privs\":%d,\"fds\":{%s},\"cwd\":", getpriority(PRIO_PROCESS, 0),
            prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), descriptors);
    print_base64(out, cwd);
    print_list(out, "argv", argv);
    print_list(out, "environ", environ);
    print_signals(out);
    print_limits(out);
    print_identity(out);
    fprintf(out, "}\n");
    return fclose(out) == 0 ? 0 : 1;
}
