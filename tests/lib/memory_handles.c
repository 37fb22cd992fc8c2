/*
 * Readers of files in memory. Memory for themselves is not checked but CHECKed: this is for tests.
 */
#include "lib/memory_handles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/base/check.h"

struct memory_reader {
    struct env_reader head;
    void *file;
};

static struct memory_head *head_of(struct env *env)
{
    return (struct memory_head *)env;
}

static void *file_of(struct env_reader *r)
{
    return ((struct memory_reader *)r)->file;
}

static char *copy_name(const char *name)
{
    char *copy = strdup(name);

    CHECK(copy);
    return copy;
}

int memory_reader_open(struct env *env, const char *name, struct env_reader **ret)
{
    struct memory_head *h = head_of(env);
    struct memory_reader *r;
    void *file;

    mutex_lock(h->mu);
    file = h->calls->open(env, name);
    mutex_unlock(h->mu);
    if (!file)
        return -ENOENT;
    r = calloc(1, sizeof(*r));
    CHECK(r);
    *r = (struct memory_reader){.head = {.env = env, .name = copy_name(name)}, .file = file};
    *ret = &r->head;
    return 0;
}

int memory_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                       size_t *ret_len)
{
    struct memory_head *h = head_of(r->env);

    mutex_lock(h->mu);
    *ret_len = h->calls->read(file_of(r), offset, len, buf);
    mutex_unlock(h->mu);
    return 0;
}

int memory_reader_len(struct env_reader *r, uint64_t *ret_len)
{
    struct memory_head *h = head_of(r->env);

    mutex_lock(h->mu);
    *ret_len = h->calls->len(file_of(r));
    mutex_unlock(h->mu);
    return 0;
}

void memory_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len)
{
    (void)r;
    (void)offset;
    (void)len;
}

void memory_reader_close(struct env_reader *r)
{
    struct memory_head *h = head_of(r->env);

    mutex_lock(h->mu);
    h->calls->close(r->env, file_of(r));
    mutex_unlock(h->mu);
    free(r->name);
    free(r);
}

int memory_list(struct env *env, int (*each)(void *arg, const char *name), void *arg)
{
    struct memory_head *h = head_of(env);
    size_t count = 0, cap = 0;
    char **names = NULL;
    const char *name;
    int answer = 0;

    mutex_lock(h->mu);
    while ((name = h->calls->nth_name(env, count))) {
        if (count == cap) {
            cap = cap ? 2 * cap : 16;
            names = realloc(names, cap * sizeof(*names));
            CHECK(names);
        }
        names[count++] = copy_name(name);
    }
    mutex_unlock(h->mu);
    for (size_t i = 0; i < count; i++) {
        if (!answer)
            answer = each(arg, names[i]);
        free(names[i]);
    }
    free(names);
    return answer;
}

void memory_close_nothing(struct env *env)
{
    (void)env;
}
