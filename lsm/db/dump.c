/*
 * Any one file of a store as text. Nothing is locked and nothing is changed: it also reads the
 * files of a store that is mounted, or too damaged to open.
 */
#include "lsm/db/db.h"

static bool number_of(const char *name, const char *suffix, uint64_t *ret)
{
    char *end;
    unsigned long long number;

    if (name[0] < '0' || name[0] > '9')
        return false;
    errno = 0;
    number = strtoull(name, &end, 10);
    if (errno || strcmp(end, suffix) || number == 0)
        return false;
    *ret = number;
    return true;
}

static int dump_current(struct env *env, int (*put)(void *arg, const char *line), void *arg)
{
    struct buf contents = {0}, line = {0};
    int err = env_read_small(env, "CURRENT", 4096, &contents);

    if (!err)
        err = buf_printf(&line, "manifest ");
    if (!err)
        err = buf_append_escaped(&line, buf_slice(&contents));
    if (!err)
        err = buf_append(&line, "", 1);
    if (!err)
        err = put(arg, (const char *)line.data);
    buf_free(&contents);
    buf_free(&line);
    return err;
}

static int dump_table(struct env *env, uint64_t number, bool full_values,
                      int (*put)(void *arg, const char *line), void *arg)
{
    struct sst *sst;
    int err = sst_open(env, NULL, number, &sst);

    if (err)
        return err;
    err = sst_to_text(sst, full_values, put, arg);
    sst_unref(sst);
    return err;
}

int lsm_dump_file(const char *path, const char *file, bool full_values,
                  int (*put)(void *arg, const char *line), void *arg)
{
    struct env *env;
    uint64_t number;
    int err;

    err_clear();
    if (strchr(file, '/'))
        return err_raise(EINVAL, "%s: give a file's name in the store, without a path", file);
    err = env_posix_open(path, ENV_READ_ONLY | ENV_NO_LOCK, &env);
    if (err)
        return err;
    if (number_of(file, ".wal", &number))
        err = wal_to_text(env, number, put, arg);
    else if (number_of(file, ".blob", &number))
        err = blob_to_text(env, number, full_values, put, arg);
    else if (number_of(file, ".sst", &number))
        err = dump_table(env, number, full_values, put, arg);
    else if (strncmp(file, "MANIFEST-", 9) == 0)
        err = manifest_to_text(env, file, put, arg);
    else if (strcmp(file, "SUPERBLOCK") == 0)
        err = superblock_to_text(env, put, arg);
    else if (strcmp(file, "CURRENT") == 0)
        err = dump_current(env, put, arg);
    else
        err = err_raise(EINVAL, "%s: not a kind of file that a store has", file);
    if (err == -ENOENT)
        err = err_raise(ENOENT, "%s/%s: there is no such file", path, file);
    env_close(env);
    return err;
}
