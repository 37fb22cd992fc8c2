/*
 * The calls that fail. The linker turns each call of X into one of __wrap_X, and __real_X is X
 * itself.
 */
#include "lib/call_faults_impl.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    FRAMES_MAX = 24
};

static atomic_uint armed; /* kinds; 0: nothing fails */
static atomic_uint_fast64_t calls, fails_at;
static atomic_int fail_code;
static atomic_int fail_scope;
static atomic_bool happened;
static atomic_bool rest_is_due; /* CALL_SHORT: half is done, and the next one fails */
static atomic_int frame_count;
static pthread_t owner;
static _Thread_local unsigned paused;
static atomic_bool unsynced; /* something was written since the last sync began */
static void *frames[FRAMES_MAX];

void call_faults_arm(unsigned kinds, uint64_t nth, int code, enum call_scope scope)
{
    atomic_store(&armed, 0);
    atomic_store(&calls, 0);
    atomic_store(&fails_at, nth);
    atomic_store(&fail_code, code);
    atomic_store(&fail_scope, (int)scope);
    atomic_store(&happened, false);
    atomic_store(&rest_is_due, false);
    owner = pthread_self();
    atomic_store(&armed, kinds);
}

bool call_faults_disarm(void)
{
    atomic_store(&armed, 0);
    return atomic_load(&happened);
}

bool call_faults_happened(void)
{
    return atomic_load(&happened);
}

void call_faults_pause(void)
{
    paused++;
}

void call_faults_resume(void)
{
    paused--;
}

uint64_t call_faults_count(void)
{
    return atomic_load(&calls);
}

void call_faults_note_written(void)
{
    atomic_store(&unsynced, true);
}

void call_faults_note_synced(void)
{
    atomic_store(&unsynced, false);
}

bool call_faults_all_synced(void)
{
    return !atomic_load(&unsynced);
}

void call_faults_tell(void)
{
    if (atomic_load(&happened))
        backtrace_symbols_fd(frames, atomic_load(&frame_count), STDERR_FILENO);
}

static enum call_answer note(enum call_answer answer)
{
    if (!atomic_exchange(&happened, true))
        atomic_store(&frame_count, backtrace(frames, FRAMES_MAX));
    if (answer == CALL_FAILS)
        errno = atomic_load(&fail_code);
    return answer;
}

enum call_answer call_faults_begin(unsigned kind)
{
    int scope = atomic_load(&fail_scope);
    uint64_t n, at = atomic_load(&fails_at);

    if (!(atomic_load(&armed) & kind) || paused ||
        (scope == CALL_MINE && !pthread_equal(owner, pthread_self())))
        return CALL_GOES_ON;
    n = atomic_fetch_add(&calls, 1) + 1;
    if (scope == CALL_SHORT_FOREVER)
        return n == at ? note(CALL_DOES_HALF) : n > at ? note(CALL_FAILS) : CALL_GOES_ON;
    if (scope == CALL_SHORT) {
        if (n == at) {
            atomic_store(&rest_is_due, true);
            return note(CALL_DOES_HALF);
        }
        return atomic_exchange(&rest_is_due, false) ? note(CALL_FAILS) : CALL_GOES_ON;
    }
    return n == at || (n > at && scope == CALL_FOREVER) ? note(CALL_FAILS) : CALL_GOES_ON;
}

/* --- Memory --- */

REAL(void *, malloc, size_t len)
{
    return call_faults_begin(CALL_ALLOC) == CALL_FAILS ? NULL : __real_malloc(len);
}

REAL(void *, calloc, size_t count, size_t len)
{
    return call_faults_begin(CALL_ALLOC) == CALL_FAILS ? NULL : __real_calloc(count, len);
}

REAL(void *, realloc, void *old, size_t len)
{
    return call_faults_begin(CALL_ALLOC) == CALL_FAILS ? NULL : __real_realloc(old, len);
}

REAL(void *, reallocarray, void *old, size_t count, size_t len)
{
    return call_faults_begin(CALL_ALLOC) == CALL_FAILS ? NULL
                                                       : __real_reallocarray(old, count, len);
}

REAL(void *, aligned_alloc, size_t align, size_t len)
{
    return call_faults_begin(CALL_ALLOC) == CALL_FAILS ? NULL : __real_aligned_alloc(align, len);
}

REAL(char *, strdup, const char *text)
{
    return call_faults_begin(CALL_ALLOC) == CALL_FAILS ? NULL : __real_strdup(text);
}

REAL(char *, strndup, const char *text, size_t len)
{
    return call_faults_begin(CALL_ALLOC) == CALL_FAILS ? NULL : __real_strndup(text, len);
}

REAL(void *, mmap, void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    return call_faults_begin(CALL_ALLOC) == CALL_FAILS
               ? MAP_FAILED
               : __real_mmap(at, len, prot, flags, fd, offset);
}

/* An int on failure is -1, or an error of pthread_create. */
REAL(int, pthread_create, pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *),
     void *arg)
{
    return call_faults_begin(CALL_THREAD) == CALL_FAILS
               ? errno
               : __real_pthread_create(ret, attr, run, arg);
}

/* --- Files --- */

static unsigned open_kind(int flags)
{
    return (flags & O_ACCMODE) == O_RDONLY ? CALL_OPEN : CALL_CREATE;
}

int __real_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_openat(int dir_fd, const char *name, int flags, ...)
{
    mode_t mode;
    va_list ap;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    va_end(ap);
    return call_faults_begin(open_kind(flags)) == CALL_FAILS
               ? -1
               : __real_openat(dir_fd, name, flags, mode);
}

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...)
{
    mode_t mode;
    va_list ap;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    va_end(ap);
    return call_faults_begin(open_kind(flags)) == CALL_FAILS ? -1 : __real_open(name, flags, mode);
}

REAL(int, mkostemp, char *name, int flags)
{
    return call_faults_begin(CALL_CREATE) == CALL_FAILS ? -1 : __real_mkostemp(name, flags);
}

REAL(ssize_t, pread, int fd, void *buf, size_t len, off_t at)
{
    enum call_answer answer = call_faults_begin(CALL_READ);

    if (answer == CALL_FAILS)
        return -1;
    return __real_pread(fd, buf, answer == CALL_DOES_HALF && len > 1 ? len / 2 : len, at);
}

REAL(ssize_t, preadv, int fd, const struct iovec *iov, int count, off_t at)
{
    enum call_answer answer = call_faults_begin(CALL_READ);

    if (answer == CALL_FAILS)
        return -1;
    return __real_preadv(fd, iov, answer == CALL_DOES_HALF && count > 1 ? count / 2 : count, at);
}

REAL(ssize_t, read, int fd, void *buf, size_t len)
{
    return call_faults_begin(CALL_READ) == CALL_FAILS ? -1 : __real_read(fd, buf, len);
}

REAL(ssize_t, pwrite, int fd, const void *buf, size_t len, off_t at)
{
    enum call_answer answer = call_faults_begin(CALL_WRITE);

    if (answer == CALL_FAILS)
        return -1;
    call_faults_note_written();
    return __real_pwrite(fd, buf, answer == CALL_DOES_HALF && len > 1 ? len / 2 : len, at);
}

REAL(ssize_t, pwritev, int fd, const struct iovec *iov, int count, off_t at)
{
    enum call_answer answer = call_faults_begin(CALL_WRITE);

    if (answer == CALL_FAILS)
        return -1;
    call_faults_note_written();
    if (answer == CALL_DOES_HALF)
        return __real_pwrite(fd, iov->iov_base, iov->iov_len > 1 ? iov->iov_len / 2 : iov->iov_len,
                             at);
    return __real_pwritev(fd, iov, count, at);
}

REAL(ssize_t, write, int fd, const void *buf, size_t len)
{
    enum call_answer answer = call_faults_begin(CALL_WRITE);

    if (answer == CALL_FAILS)
        return -1;
    return __real_write(fd, buf, answer == CALL_DOES_HALF && len > 1 ? len / 2 : len);
}

REAL(off_t, lseek, int fd, off_t at, int whence)
{
    return call_faults_begin(CALL_SEEK) == CALL_FAILS ? -1 : __real_lseek(fd, at, whence);
}

REAL(int, close, int fd)
{
    enum call_answer answer = call_faults_begin(CALL_CLOSE);
    int err = errno, r = __real_close(fd);

    if (answer != CALL_FAILS)
        return r;
    errno = err;
    return -1;
}

REAL(int, fstat, int fd, struct stat *ret)
{
    return call_faults_begin(CALL_STAT) == CALL_FAILS ? -1 : __real_fstat(fd, ret);
}

REAL(int, fstatat, int dir_fd, const char *name, struct stat *ret, int flags)
{
    return call_faults_begin(CALL_STAT) == CALL_FAILS ? -1
                                                      : __real_fstatat(dir_fd, name, ret, flags);
}

static int sync_call(int fd)
{
    struct stat st;
    bool is_dir;

    if (__real_fstat(fd, &st))
        return 0;
    is_dir = S_ISDIR(st.st_mode);
    if (call_faults_begin(is_dir ? CALL_SYNC_DIR : CALL_SYNC) == CALL_FAILS)
        return -1;
    if (!is_dir)
        call_faults_note_synced();
    return 0;
}

REAL(int, fsync, int fd)
{
    return sync_call(fd);
}

REAL(int, fdatasync, int fd)
{
    return sync_call(fd);
}

REAL(int, ftruncate, int fd, off_t len)
{
    return call_faults_begin(CALL_TRUNCATE) == CALL_FAILS ? -1 : __real_ftruncate(fd, len);
}

REAL(int, fallocate, int fd, int mode, off_t at, off_t len)
{
    return call_faults_begin(CALL_RESERVE) == CALL_FAILS ? -1 : __real_fallocate(fd, mode, at, len);
}

REAL(ssize_t, copy_file_range, int from, off64_t *from_at, int to, off64_t *to_at, size_t len,
     unsigned flags)
{
    return call_faults_begin(CALL_COPY) == CALL_FAILS
               ? -1
               : __real_copy_file_range(from, from_at, to, to_at, len, flags);
}

/* --- Names --- */

REAL(int, renameat, int from_fd, const char *from, int to_fd, const char *to)
{
    return call_faults_begin(CALL_RENAME) == CALL_FAILS ? -1
                                                        : __real_renameat(from_fd, from, to_fd, to);
}

REAL(int, rename, const char *from, const char *to)
{
    return call_faults_begin(CALL_RENAME) == CALL_FAILS ? -1 : __real_rename(from, to);
}

REAL(int, unlinkat, int dir_fd, const char *name, int flags)
{
    return call_faults_begin(CALL_REMOVE) == CALL_FAILS ? -1 : __real_unlinkat(dir_fd, name, flags);
}

REAL(int, unlink, const char *name)
{
    return call_faults_begin(CALL_REMOVE) == CALL_FAILS ? -1 : __real_unlink(name);
}

REAL(int, mkdir, const char *name, mode_t mode)
{
    return call_faults_begin(CALL_MKDIR) == CALL_FAILS ? -1 : __real_mkdir(name, mode);
}

REAL(int, mkdirat, int dir_fd, const char *name, mode_t mode)
{
    return call_faults_begin(CALL_MKDIR) == CALL_FAILS ? -1 : __real_mkdirat(dir_fd, name, mode);
}

REAL(int, linkat, int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return call_faults_begin(CALL_LINK) == CALL_FAILS
               ? -1
               : __real_linkat(from_fd, from, to_fd, to, flags);
}

REAL(DIR *, fdopendir, int fd)
{
    return call_faults_begin(CALL_LIST) == CALL_FAILS ? NULL : __real_fdopendir(fd);
}

REAL(struct dirent *, readdir, DIR *dir)
{
    return call_faults_begin(CALL_LIST) == CALL_FAILS ? NULL : __real_readdir(dir);
}

REAL(int, fstatvfs, int fd, struct statvfs *ret)
{
    return call_faults_begin(CALL_SPACE) == CALL_FAILS ? -1 : __real_fstatvfs(fd, ret);
}

/* --- Sockets --- */

REAL(int, socket, int domain, int type, int protocol)
{
    return call_faults_begin(CALL_CONNECT) == CALL_FAILS ? -1
                                                         : __real_socket(domain, type, protocol);
}

REAL(int, connect, int fd, const struct sockaddr *to, socklen_t len)
{
    return call_faults_begin(CALL_CONNECT) == CALL_FAILS ? -1 : __real_connect(fd, to, len);
}

REAL(ssize_t, send, int fd, const void *buf, size_t len, int flags)
{
    enum call_answer answer = call_faults_begin(CALL_SEND);

    if (answer == CALL_FAILS)
        return -1;
    return __real_send(fd, buf, answer == CALL_DOES_HALF && len > 1 ? len / 2 : len, flags);
}

REAL(ssize_t, recv, int fd, void *buf, size_t len, int flags)
{
    enum call_answer answer = call_faults_begin(CALL_RECEIVE);

    if (answer == CALL_FAILS)
        return -1;
    return __real_recv(fd, buf, answer == CALL_DOES_HALF && len > 1 ? len / 2 : len, flags);
}
