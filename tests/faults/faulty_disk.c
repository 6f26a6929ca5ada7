/* For LD_PRELOAD: writes and syncs below $FAULTY_DISK fail or wait as the file $FAULTY_DISK_ORDER says:
 * "write|sync EIO|<milliseconds> once|always". No file, no fault; "once" removes it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* 1: the call is to fail. */
static int fault(const char *call, int fd)
{
    const char *disk = getenv("FAULTY_DISK"), *path = getenv("FAULTY_DISK_ORDER");
    char link[64], target[PATH_MAX], text[128] = "", which[16], what[16], often[16];
    int order;
    ssize_t length;

    if (!disk || !path || (order = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    length = read(order, text, sizeof text - 1);
    close(order);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (length <= 0 || (length = readlink(link, target, sizeof target - 1)) < 0)
        return 0;
    target[length] = 0;
    if (strncmp(target, disk, strlen(disk)) || sscanf(text, "%15s %15s %15s", which, what, often) != 3
        || strcmp(which, call))
        return 0;
    if (!strcmp(often, "once"))
        unlink(path);
    if (!strcmp(what, "EIO"))
        return 1;
    usleep(1000 * atoi(what));
    return 0;
}

#define FAULTY(name, call, parameters, arguments)                      \
    ssize_t name parameters                                            \
    {                                                                  \
        static ssize_t(*real) parameters;                              \
        if (!real)                                                     \
            real = (ssize_t(*) parameters)dlsym(RTLD_NEXT, #name);     \
        if (fault(call, fd)) {                                         \
            errno = EIO;                                               \
            return -1;                                                 \
        }                                                              \
        return real arguments;                                         \
    }

#define FAULTY_SYNC(name)                                              \
    int name(int fd)                                                   \
    {                                                                  \
        static int (*real)(int);                                       \
        if (!real)                                                     \
            real = (int (*)(int))dlsym(RTLD_NEXT, #name);              \
        if (fault("sync", fd)) {                                       \
            errno = EIO;                                               \
            return -1;                                                 \
        }                                                              \
        return real(fd);                                               \
    }

FAULTY(write, "write", (int fd, const void *data, size_t size), (fd, data, size))
FAULTY(pwrite, "write", (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
FAULTY(pwrite64, "write", (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
FAULTY_SYNC(fsync)
FAULTY_SYNC(fdatasync)
