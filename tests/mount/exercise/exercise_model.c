/* The bytes that a file must have. Behind its end they are kept zero, so that growing shows them.
 */
#include <fcntl.h>
#include <unistd.h>

#include "mount/check.h"
#include "mount/exercise/exercise.h"

void model_resize(struct model *m, uint64_t size)
{
    if (size < m->size)
        memset(m->bytes + size, 0, m->size - size);
    m->size = size;
}

void model_set(struct model *m, uint64_t offset, const uint8_t *bytes, uint64_t len)
{
    /* The source may be the model itself. */
    memmove(m->bytes + offset, bytes, len);
    if (len > 0 && offset + len > m->size)
        m->size = offset + len;
}

void model_clear(struct model *m, uint64_t offset, uint64_t len)
{
    memset(m->bytes + offset, 0, len);
}

void model_load(struct model *m, const char *path)
{
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
    ssize_t n = 1;

    m->bytes = calloc(1, FILE_LEN_MAX);
    m->size = 0;
    CHECK_TRUE(m->bytes && fd >= 0);
    while (n > 0) {
        n = read(fd, m->bytes + m->size, FILE_LEN_MAX - m->size);
        CHECK_OK(n);
        m->size += (uint64_t)n;
    }
    CHECK_OK(close(fd));
}

void model_store(const struct model *m, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CHECK_OK(fd);
    for (uint64_t done = 0; done < m->size;) {
        ssize_t n = write(fd, m->bytes + done, m->size - done);

        CHECK_OK(n);
        done += (uint64_t)n;
    }
    CHECK_OK(close(fd));
}
