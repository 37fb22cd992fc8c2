/*
 * Whether others than its owner may read or change a store: it holds what the permissions inside of
 * the file system would keep from them.
 */
#ifndef FS_EXPOSED_H
#define FS_EXPOSED_H

#include <stddef.h>

/*
 * Look at the permissions and owners of the store's directory and of the files in it. 1 when others
 * may read or write there, with one line for the user, cut to text_len bytes, in `text`: the worst
 * that there is. 0 when not, or when it cannot be looked at: then opening it says why.
 */
int exposed_find(const char *store, char *text, size_t text_len);

#endif
