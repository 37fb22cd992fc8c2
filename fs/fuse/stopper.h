/*
 * The stopper turns SIGTERM, SIGINT and SIGHUP into an unmount that loses nothing.
 */
#ifndef FS_FUSE_STOPPER_H
#define FS_FUSE_STOPPER_H

struct fuse_session;
struct stopper;

/* Block the signals; call it before the first thread is made, so that all of them inherit it. */
void stopper_block_signals(void);
/* The caller must be the thread that will run the session's loop. dir must outlive it. */
int stopper_start(struct fuse_session *se, const char *dir, struct stopper **ret);
/* After the loop has ended. NULL is allowed. */
void stopper_stop(struct stopper *s);

#endif
