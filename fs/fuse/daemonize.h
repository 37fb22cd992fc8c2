/*
 * Going to the background in two steps, so that the command ends only when the mount is usable.
 */
#ifndef FS_FUSE_DAEMONIZE_H
#define FS_FUSE_DAEMONIZE_H

/*
 * Fork. In the parent, waits until the child has reported and returns 1, with the exit status in
 * *ret_status. In the child returns 0, and *ret_report is what daemonize_report takes. Negative
 * errno when there is no child.
 */
int daemonize_fork(int *ret_status, int *ret_report);
/* The child: leave the terminal, the session and the working directory; stdio goes nowhere. */
void daemonize_detach(void);
/* The child: tell the parent its exit status, 0 when the mount is usable. Closes `report`. */
void daemonize_report(int report, int status);

#endif
