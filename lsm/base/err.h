/*
 * Errors: 0 or positive is success; negative is -errno, or minus one of the private codes of
 * err.def, which say where a failure was found. Not found is -ENOENT and is never described.
 *
 * err_raise also keeps one line of text for the calling thread, naming the file, the offset and
 * what was expected, so that the code at the boundary can print it (err_detail). The text stands
 * until the thread's next err_raise or err_clear.
 */
#ifndef LSM_BASE_ERR_H
#define LSM_BASE_ERR_H

#include <errno.h>

enum {
    ERR_PRIVATE_FIRST = 4096,
#define X(errno_, name, text) name,
#include "lsm/base/err.def"
#undef X
    ERR_PRIVATE_END
};

/*
 * Returns -code after keeping the formatted text. code: an errno or a private code, positive.
 * Usage: return err_raise(ERR_SST_FOOTER, "%s: bad magic", name);
 */
int err_raise(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The calling thread's last text; "" when there is none. Valid until its next err_raise. */
const char *err_detail(void);
void err_clear(void);
/* A negative code as a positive errno, for a caller that knows nothing of ours. */
int err_to_errno(int err);
/* The code's fixed text. Static storage; for an errno not thread-local but immutable text. */
const char *err_text(int err);
/* Whether the code means damaged bytes (any private code that maps to EIO). */
int err_is_damage(int err);

#endif
