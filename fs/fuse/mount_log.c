/*
 * The daemon's messages.
 *
 * Damage is told once for each inode and kind, not at every read of a program that tries again and
 * again: a small table remembers the last ones. It forgets the oldest, so that at worst something
 * is told twice.
 */
#include "fs/fuse/mount_log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "fs/fuse/session.h"
#include "lsm/base/mutex.h"

#include <fuse_log.h>

enum {
    TOLD_COUNT = 64,
    TEXT_LEN_MAX = 1400
};

static enum lsm_log_level level_least = LSM_LOG_INFO; /* set before any thread begins */
static atomic_bool to_syslog;
static char store_name[256]; /* set before to_syslog */

static struct mutex told_mu = {PTHREAD_MUTEX_INITIALIZER};
static struct {
    uint64_t ino;
    int err;
} told[TOLD_COUNT] GUARDED_BY(told_mu);
static unsigned told_next GUARDED_BY(told_mu);

static void log_line(enum lsm_log_level level, const char *text)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
    static const char *const words[] = {"debug: ", "", "warning: ", "error: "};

    if (level < level_least)
        return;
    if (atomic_load(&to_syslog))
        syslog(priorities[level], "%s: %s", store_name, text);
    else
        fprintf(stderr, "fluxfs: %s%s\n", words[level], text);
}

static void log_fuse(enum fuse_log_level level, const char *fmt, va_list ap)
{
    char text[TEXT_LEN_MAX];
    size_t len;

    vsnprintf(text, sizeof(text), fmt, ap);
    len = strlen(text);
    while (len && text[len - 1] == '\n')
        text[--len] = 0;
    if (len == 0)
        return;
    if (level <= FUSE_LOG_ERR)
        log_line(LSM_LOG_ERROR, text);
    else
        log_line(level <= FUSE_LOG_NOTICE ? LSM_LOG_WARN : LSM_LOG_DEBUG, text);
}

void mount_log_init(enum lsm_log_level least)
{
    level_least = least;
    fuse_set_log_func(log_fuse);
}

void mount_log_to_syslog(const char *store)
{
    snprintf(store_name, sizeof(store_name), "%s", store);
    openlog("fluxfs", LOG_PID, LOG_DAEMON);
    atomic_store(&to_syslog, true);
}

void mount_log(enum lsm_log_level level, const char *fmt, ...)
{
    char text[TEXT_LEN_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_line(level, text);
}

void mount_log_text(void *arg, enum lsm_log_level level, const char *text)
{
    (void)arg;
    log_line(level, text);
}

static bool told_before(uint64_t ino, int err)
{
    bool found = false;

    mutex_lock(&told_mu);
    for (size_t i = 0; i < TOLD_COUNT && !found; i++)
        found = told[i].ino == ino && told[i].err == err;
    if (!found) {
        told[told_next].ino = ino;
        told[told_next].err = err;
        told_next = (told_next + 1) % TOLD_COUNT;
    }
    mutex_unlock(&told_mu);
    return found;
}

void mount_log_damage(const char *op, uint64_t ino, int err)
{
    const char *detail = lsm_detail();

    if (told_before(ino, err))
        return;
    mount_log(LSM_LOG_ERROR, "%s of inode %llu: %s%s%s", op, (unsigned long long)ino,
              lsm_strerror(err), *detail ? ": " : "", detail);
}
