/*
 * The threads that read the kernel's requests and serve them.
 *
 * One thread at a time waits for requests, and serves what it reads itself: with the kernel's usual
 * one request after the other, any hand-over between threads costs a wake-up on another core, more
 * than most requests take. The turn goes to another thread when serving takes long: at once where a
 * handler knows that it will wait (workers_may_wait), and after a millisecond in any case. So a
 * slow request never keeps others waiting, and quick ones stay on one core. However many changes
 * wait, what only reads is served.
 */
#ifndef FS_FUSE_WORKERS_H
#define FS_FUSE_WORKERS_H

#include <stdbool.h>

struct fuse_buf;
struct fuse_session;
struct watchdog;

/*
 * Serve until the session ends, that is until it is unmounted. Each message is shown to `first`
 * before libfuse gets it, unless that says that it has served it. 0, or a negative errno.
 */
int workers_run(struct fuse_session *se, struct watchdog *dog,
                bool (*first)(void *arg, const struct fuse_buf *message), void *arg);
/* Called by a handler that is about to wait for a disk or another request: the turn goes on. */
void workers_may_wait(void);

#endif
