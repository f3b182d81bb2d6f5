/* A disk that fails on demand: loaded before the C library, it lets writes and syncs
 * of a database and its journal fail with ENOSPC or EIO for as long as a control block
 * says so.
 *
 * The control block is a file that this library and the test both map or write; the
 * database is the file whose path is in SPUR_FAULT_FILE, and its journal the one called
 * `journal` beside it. Reads never fail: what is tested is what becomes of writes.
 *
 * A full disk is full for everybody: new bytes of the database and new files in the
 * directory are refused, until a file is removed from it, which makes room for its size;
 * the journal has its space already. Rust's
 * standard library writes through pwrite64, ftruncate64, fdatasync and fsync, makes
 * files through open64 and removes them through unlink. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What `tests/consistency/disk.rs` writes and reads; native byte order. */
struct control {
    _Atomic uint32_t mode;   /* one of the modes below */
    _Atomic uint32_t loaded; /* processes that have this library */
    _Atomic uint32_t failed; /* calls that were made to fail */
    _Atomic int32_t room;    /* bytes that a full disk still takes */
    _Atomic int32_t passing; /* calls that still succeed before the first one fails */
    _Atomic int32_t failing; /* calls that then fail */
};

enum { SOUND = 0, FULL = 1, FAILING_WRITES = 2, FAILING_SYNCS = 3, FAILING = 4 };

static struct control *control;
static char file[PATH_MAX];
static char journal[PATH_MAX + sizeof "/journal"];
static char directory[PATH_MAX];

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("SPUR_FAULT_FILE");
    const char *control_path = getenv("SPUR_FAULT_CONTROL");
    if (path == NULL || control_path == NULL || strlen(path) >= sizeof file)
        return;
    strcpy(file, path);
    strcpy(directory, path);
    char *slash = strrchr(directory, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    strcpy(journal, directory);
    strcat(journal, "/journal");
    int fd = open(control_path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return;
    control = map;
    atomic_fetch_add(&control->loaded, 1);
}

static uint32_t mode(void) { return control == NULL ? SOUND : atomic_load(&control->mode); }

static int is_called(int fd, const char *name) {
    struct stat open_one, named_one;
    return fstat(fd, &open_one) == 0 && stat(name, &named_one) == 0 &&
           open_one.st_dev == named_one.st_dev && open_one.st_ino == named_one.st_ino;
}

static int is_database(int fd) { return is_called(fd, file); }

static int is_store(int fd) { return is_database(fd) || is_called(fd, journal); }

static int is_in_directory(const char *path) {
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

/* Whether it is this call's turn to fail. */
static int is_due(void) {
    return atomic_fetch_sub(&control->passing, 1) <= 0 && atomic_fetch_sub(&control->failing, 1) > 0;
}

static int fail(int error) {
    atomic_fetch_add(&control->failed, 1);
    errno = error;
    return -1;
}

/* Whether a full disk takes so many bytes more. */
static int has_room(size_t size) {
    if (size > INT32_MAX)
        return 0;
    if (atomic_fetch_sub(&control->room, (int32_t)size) >= (int32_t)size)
        return 1;
    atomic_fetch_add(&control->room, (int32_t)size);
    return 0;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "pwrite64");
    switch (mode()) {
    case FULL:
        if (is_database(fd) && !has_room(size))
            return fail(ENOSPC);
        break;
    case FAILING_WRITES:
    case FAILING:
        if (is_store(fd) && is_due())
            return fail(EIO);
        break;
    }
    return real(fd, data, size, offset);
}

int ftruncate64(int fd, off64_t length) {
    static int (*real)(int, off64_t);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "ftruncate64");
    uint32_t now = mode();
    if ((now == FAILING_WRITES || now == FAILING) && is_store(fd) && is_due())
        return fail(EIO);
    return real(fd, length);
}

static int sync_of(const char *name, int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    uint32_t now = mode();
    if ((now == FAILING_SYNCS || now == FAILING) && is_store(fd) && is_due())
        return fail(EIO);
    return real(fd);
}

int fsync(int fd) { return sync_of("fsync", fd); }

int fdatasync(int fd) { return sync_of("fdatasync", fd); }

int open64(const char *path, int flags, ...) {
    static int (*real)(const char *, int, ...);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "open64");
    mode_t permissions = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        permissions = va_arg(rest, mode_t);
        va_end(rest);
        if (mode() == FULL && is_in_directory(path))
            return fail(ENOSPC);
    }
    return real(path, flags, permissions);
}

int unlink(const char *path) {
    static int (*real)(const char *);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "unlink");
    struct stat found;
    int is_freeing = mode() == FULL && is_in_directory(path) && stat(path, &found) == 0;
    int done = real(path);
    if (done == 0 && is_freeing)
        atomic_fetch_add(&control->room, (int32_t)found.st_size);
    return done;
}
