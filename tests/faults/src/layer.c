/* A file system that fails as it is told: loaded in front of the C library (LD_PRELOAD), it counts the calls that change
 * something beneath one folder, writes down what each of them did, and ends the process or fails at those it was told of.
 *
 *   FAULTS_FOLDER   the folder, absolute and without links
 *   FAULTS_JOURNAL  the file that is told what was done, whole records only
 *   FAULTS_PLAN     rules with a comma between them, calls counted from 1 over all kinds:
 *                     crash@N         the process dies before call N
 *                     after@N         it dies after call N
 *                     torn@N:BYTES    call N is a write of which at most so many bytes arrive, then it dies
 *                   or over those of one kind (write, sync, rename, unlink, truncate, create):
 *                     eio:KIND@N..M   calls N to M fail; half the bytes of a failed write arrive all the same
 *                     enospc:KIND@N..M
 *                   or over all of them:
 *                     hang:FILE       calls wait while there is a file of this absolute name
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, SYNC, RENAME, UNLINK, TRUNCATE, CREATE, KINDS };
/* Only in the journal: a sync that was failed, and a folder that was made. */
enum { SYNC_FAILED = KINDS, FOLDER };

static const char *const names[KINDS] = { "write", "sync", "rename", "unlink", "truncate", "create" };

struct rule {
    enum { CRASH, AFTER, TORN, FAIL } act;
    int error;
    int kind;
    unsigned long from, to;
    size_t bytes;
};

struct verdict {
    int error;
    int before, after, torn;
    size_t bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[16];
static int count_of_rules;
static unsigned long calls, calls_of[KINDS];
static char folder[PATH_MAX];
static size_t folder_length;
static int journal = -1;
static char hang[PATH_MAX];

static void parse(char *text) {
    for (char *one = strtok(text, ","); one && count_of_rules < 16; one = strtok(NULL, ",")) {
        struct rule *rule = &rules[count_of_rules];
        char word[16], kind[16];
        memset(rule, 0, sizeof *rule);
        if (sscanf(one, "hang:%4095s", hang) == 1) continue;
        if (sscanf(one, "crash@%lu", &rule->from) == 1) {
            rule->act = CRASH;
        } else if (sscanf(one, "after@%lu", &rule->from) == 1) {
            rule->act = AFTER;
        } else if (sscanf(one, "torn@%lu:%zu", &rule->from, &rule->bytes) == 2) {
            rule->act = TORN;
        } else if (sscanf(one, "%15[a-z]:%15[a-z]@%lu..%lu", word, kind, &rule->from, &rule->to) == 4) {
            rule->act = FAIL;
            rule->error = strcmp(word, "enospc") ? EIO : ENOSPC;
            while (rule->kind < KINDS && strcmp(kind, names[rule->kind])) rule->kind++;
        } else {
            fprintf(stderr, "faults: not a rule: %s\n", one);
            abort();
        }
        count_of_rules++;
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("FAULTS_FOLDER"), *told = getenv("FAULTS_JOURNAL"), *plan = getenv("FAULTS_PLAN");
    if (!where || strlen(where) >= sizeof folder) return;
    if (plan) {
        char *copy = strdup(plan);
        parse(copy);
        free(copy);
    }
    if (told) journal = (int)syscall(SYS_openat, AT_FDCWD, told, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    strcpy(folder, where);
    folder_length = strlen(folder);
}

static int watched(const char *path) {
    return folder_length && !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static int watched_at(int at, const char *path) {
    return (at == AT_FDCWD || path[0] == '/') && watched(path);
}

static int watched_fd(int fd, char *path) {
    char link[32];
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = folder_length ? readlink(link, path, PATH_MAX - 1) : -1;
    errno = kept;
    if (length <= 0) return 0;
    path[length] = 0;
    return watched(path);
}

static const char *within(const char *path) {
    return path[folder_length] ? path + folder_length + 1 : "";
}

/* Takes the lock for a call, once calls go on. */
static void begin_call(void) {
    int kept = errno;
    while (*hang && !syscall(SYS_faccessat, AT_FDCWD, hang, F_OK)) usleep(2000);
    errno = kept;
    pthread_mutex_lock(&lock);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* To be called with the lock held; does not return where the process is to die first. */
static struct verdict judge(enum kind kind) {
    struct verdict it = { 0 };
    calls++;
    calls_of[kind]++;
    for (int at = 0; at < count_of_rules; at++) {
        const struct rule *rule = &rules[at];
        if (rule->act == FAIL) {
            if (rule->kind == (int)kind && rule->from <= calls_of[kind] && calls_of[kind] <= rule->to) it.error = rule->error;
        } else if (rule->from == calls) {
            if (rule->act == CRASH || (rule->act == TORN && kind != WRITE)) die();
            if (rule->act == AFTER) it.after = 1;
            if (rule->act == TORN) it.torn = it.after = 1, it.bytes = rule->bytes;
        }
    }
    return it;
}

/* One record: kind, path, other path, offset, bytes; each length before what it measures, least byte first. */
static void note(int kind, const char *path, const char *other, uint64_t offset, const void *bytes, size_t count) {
    uint8_t first = (uint8_t)kind;
    uint32_t one = (uint32_t)strlen(path), two = (uint32_t)strlen(other), three = (uint32_t)count;
    struct iovec parts[] = {
        { &first, 1 }, { &one, 4 }, { (void *)path, one }, { &two, 4 }, { (void *)other, two },
        { &offset, 8 }, { &three, 4 }, { (void *)bytes, count },
    };
    int kept = errno;
    if (journal >= 0) syscall(SYS_writev, journal, parts, 8);
    errno = kept;
}

static long ended(struct verdict it, long done) {
    if (it.after) die();
    pthread_mutex_unlock(&lock);
    if (it.error) {
        errno = it.error;
        return -1;
    }
    return done;
}

static ssize_t put(int fd, const char *path, const void *bytes, size_t count, off_t offset) {
    begin_call();
    struct verdict it = judge(WRITE);
    struct stat status;
    off_t at = offset;
    if (at < 0 && (fcntl(fd, F_GETFL) & O_APPEND)) at = fstat(fd, &status) ? 0 : status.st_size;
    if (at < 0) at = lseek(fd, 0, SEEK_CUR);
    size_t some = it.error ? count / 2 : it.torn && it.bytes < count ? it.bytes : count;
    long done = 0;
    if (some || !count) {
        done = offset < 0 ? syscall(SYS_write, fd, bytes, some) : syscall(SYS_pwrite64, fd, bytes, some, offset);
    }
    if (done > 0) note(WRITE, within(path), "", (uint64_t)at, bytes, (size_t)done);
    return ended(it, done);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    char path[PATH_MAX];
    return watched_fd(fd, path) ? put(fd, path, bytes, count, -1) : syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
    char path[PATH_MAX];
    if (watched_fd(fd, path)) return put(fd, path, bytes, count, offset);
    return syscall(SYS_pwrite64, fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return pwrite64(fd, bytes, count, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (!watched_fd(fd, path)) return syscall(SYS_writev, fd, parts, count);
    ssize_t all = 0;
    for (int at = 0; at < count; at++) {
        ssize_t done = put(fd, path, parts[at].iov_base, parts[at].iov_len, -1);
        if (done < 0) return all ? all : -1;
        all += done;
        if ((size_t)done < parts[at].iov_len) break;
    }
    return all;
}

static int sync_with(long call, int fd) {
    char path[PATH_MAX];
    if (!watched_fd(fd, path)) return (int)syscall(call, fd);
    begin_call();
    struct verdict it = judge(SYNC);
    /* Nothing here is ever lost but by this layer, so the disk is not troubled. */
    note(it.error ? SYNC_FAILED : SYNC, within(path), "", 0, "", 0);
    return (int)ended(it, 0);
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

int ftruncate64(int fd, off_t length) {
    char path[PATH_MAX];
    if (!watched_fd(fd, path)) return (int)syscall(SYS_ftruncate, fd, length);
    begin_call();
    struct verdict it = judge(TRUNCATE);
    long done = it.error ? -1 : syscall(SYS_ftruncate, fd, length);
    if (!done) note(TRUNCATE, within(path), "", (uint64_t)length, "", 0);
    return (int)ended(it, done);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags) {
    if (!watched_at(at, from) || !watched_at(to_at, to)) return (int)syscall(SYS_renameat2, at, from, to_at, to, flags);
    begin_call();
    struct verdict it = judge(RENAME);
    long done = it.error ? -1 : syscall(SYS_renameat2, at, from, to_at, to, flags);
    if (!done) note(RENAME, within(from), within(to), 0, "", 0);
    return (int)ended(it, done);
}

int renameat(int at, const char *from, int to_at, const char *to) { return renameat2(at, from, to_at, to, 0); }
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int at, const char *path, int flags) {
    if (!watched_at(at, path)) return (int)syscall(SYS_unlinkat, at, path, flags);
    begin_call();
    struct verdict it = judge(UNLINK);
    long done = it.error ? -1 : syscall(SYS_unlinkat, at, path, flags);
    if (!done) note(UNLINK, within(path), "", 0, "", 0);
    return (int)ended(it, done);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
    if (!watched_at(at, path)) return (int)syscall(SYS_mkdirat, at, path, mode);
    begin_call();
    struct verdict it = judge(CREATE);
    long done = it.error ? -1 : syscall(SYS_mkdirat, at, path, mode);
    if (!done) note(FOLDER, within(path), "", 0, "", 0);
    return (int)ended(it, done);
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

static int open_with(int at, const char *path, int flags, mode_t mode) {
    struct stat status;
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !watched_at(at, path)) {
        return (int)syscall(SYS_openat, at, path, flags, mode);
    }
    begin_call();
    int is_there = !syscall(SYS_newfstatat, AT_FDCWD, path, &status, 0);
    if (is_there && (!(flags & O_TRUNC) || !status.st_size)) {
        pthread_mutex_unlock(&lock);
        return (int)syscall(SYS_openat, at, path, flags, mode);
    }
    struct verdict it = judge(is_there ? TRUNCATE : CREATE);
    long done = it.error ? -1 : syscall(SYS_openat, at, path, flags, mode);
    if (done >= 0) note(is_there ? TRUNCATE : CREATE, within(path), "", 0, "", 0);
    return (int)ended(it, done);
}

#define WITH_MODE(flags)                                       \
    mode_t mode = 0;                                           \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list rest;                                          \
        va_start(rest, flags);                                 \
        mode = va_arg(rest, mode_t);                           \
        va_end(rest);                                          \
    }

int openat(int at, const char *path, int flags, ...) {
    WITH_MODE(flags)
    return open_with(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    WITH_MODE(flags)
    return open_with(at, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    WITH_MODE(flags)
    return open_with(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    WITH_MODE(flags)
    return open_with(AT_FDCWD, path, flags, mode);
}
