/*
 * Where the daemon's messages go: stderr until it has gone to the background, the system log from
 * then on. All functions may be called from any thread.
 */
#ifndef FS_FUSE_MOUNT_LOG_H
#define FS_FUSE_MOUNT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lsm/lsm.h"

/* Begin with stderr. Messages below `least` are dropped. Takes over libfuse's messages too. */
void mount_log_init(enum lsm_log_level least);
/* From now on to the system log; `store` names the store in each line and is copied. */
void mount_log_to_syslog(const char *store);
void mount_log(enum lsm_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The callback of fs_options.log. */
void mount_log_text(void *arg, enum lsm_log_level level, const char *text);
/* Trouble met by an operation, with lsm_detail(); the same one on the same inode only once. */
void mount_log_damage(const char *op, uint64_t ino, int err);

#endif
