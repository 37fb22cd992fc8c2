/*
 * An input is what a client of the control socket sends: frames (fs/tree_frame.h). They are applied
 * to a small file system, which must be without a fault afterwards, and everything outside of the
 * directory that they are for must be as it was. Their payloads are also taken for frames of the
 * conversation (fs/fuse/control_proto.h).
 */
#include "fuzz/fixed.h"
#include "fuzz/tree.h"

#include "fs/impl.h"
#include "lib/control_take.h"
#include "lsm/db/db.h"

static struct env *base;

static void ignore(void *arg, const char *path, int err, const char *text)
{
    (void)arg;
    CHECK(err < 0);
    fuzz_read_all(slice_str(path));
    fuzz_read_all(slice_str(text));
}

static void apply(struct tree_put *t, struct slice in)
{
    struct slice payload;
    uint8_t type;
    int err = 0;

    while (!err && tree_frame_take(&in, &type, &payload) > 0) {
        uint8_t *copy = fuzz_copy(payload);

        control_take_all(slice_of(copy, payload.len));
        err = tree_frame_apply(t, type, slice_of(copy, payload.len));
        free(copy);
    }
    CHECK(!err || err == -EBADMSG);
    CHECK(!tree_put_commit(t));
}

static void put(struct fs *fs, struct slice in)
{
    const struct fs_cred cred = {.uid = 1, .gid = 1};
    struct tree_put_options o = {.refused = ignore, .keep_old = fuzz_byte(&in) & 1};
    struct fs_attr before, after, dir;
    struct tree_put *t;

    CHECK(!fs_mknod(fs, FS_ROOT_INO, "target", S_IFDIR | 0755, 0, &cred, &dir));
    CHECK(!fs_getattr(fs, FS_ROOT_INO, &before));
    o.dir = dir.ino;
    CHECK(!tree_put_new(fs, &o, &t));
    apply(t, in);
    tree_put_free(t);
    CHECK(!fs_getattr(fs, FS_ROOT_INO, &after));
    CHECK(!memcmp(&before.mtime, &after.mtime, sizeof(after.mtime)) &&
          before.nlink == after.nlink && before.mode == after.mode);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct lsm_options o;
    struct lsm_db *db;
    struct env *env;
    struct fs *fs;

    if (!base) {
        fixed_begin();
        base = env_memory_new();
        fuzz_tree_make(base);
    }
    fixed_begin();
    env = env_memory_copy(base);
    fuzz_tree_options(&o);
    CHECK(!db_open(env, &o, &db));
    CHECK(!fs_open_on(db, NULL, &fs));
    put(fs, slice_of(data, len));
    fs->db = NULL; /* stays open */
    fs->read_only = true;
    fs_close(fs);
    CHECK(fuzz_tree_check(db) == 0);
    CHECK(!lsm_close(db));
    env_memory_free(env);
    return 0;
}
