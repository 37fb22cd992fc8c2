/*
 * Work that may hang for ever where no signal reaches it: the kernel lets nobody go who waits for
 * an answer of a daemon or a disk. A child does it, so that the user can always end the program.
 */
#ifndef TOOLS_SUPERVISE_H
#define TOOLS_SUPERVISE_H

#include <stddef.h>

/*
 * Memory that the child shares with its parent, zeroed; NULL when there is none. It lasts as long
 * as the process.
 */
void *supervise_alloc(size_t len);
/*
 * Let a child do work(arg), and return what that returned, 0 to 127. After about two seconds
 * `slow` (may be NULL) is called, once. After limit_ms the child is left behind and the result is
 * -ETIMEDOUT; limit_ms < 0 waits as long as it takes. What the child changes is seen by the parent
 * only in memory of supervise_alloc. It is killed as soon as that is possible when its parent ends
 * or gives up, and so does nothing more than the step that it hangs in. Other failures: -errno.
 */
int supervise(int (*work)(void *arg), void *arg, long limit_ms, void (*slow)(const void *arg));

#endif
