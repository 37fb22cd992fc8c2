/* The file system that targets change and then look at. */
#include "fuzz/tree.h"

#include <fcntl.h>
#include <stdio.h>

#include "fs/acl.h"
#include "fs/impl.h"
#include "fs/super.h"
#include "fuzz/change.h"
#include "lsm/db/db.h"

enum {
    BLOCK_LEN = 4096,
    DEPTH_MAX = 8,
    VISIT_COUNT_MAX = 500
};

void fuzz_tree_options(struct lsm_options *ret)
{
    struct lsm_options o;

    super_store_options(&o);
    fuzz_store_options(ret);
    ret->table_prefix_len = 1;
    ret->value_len_max = o.value_len_max;
    ret->compress = false;
    ret->blob_len_min = 1024;
}

/* --- Making --- */

static const struct fs_cred cred = {.uid = 1000, .gid = 1000};

static uint64_t make(struct fs *fs, uint64_t parent, const char *name, uint32_t mode)
{
    struct fs_attr attr;

    CHECK(!fs_mknod(fs, parent, name, mode, 0, &cred, &attr));
    return attr.ino;
}

static uint64_t make_file(struct fs *fs, uint64_t parent, const char *name, size_t len)
{
    static uint8_t bytes[3 * BLOCK_LEN];
    uint64_t ino = make(fs, parent, name, S_IFREG | 0644);

    CHECK(len <= sizeof(bytes));
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i / 7 * ino);
    CHECK(!fs_write(fs, ino, 0, bytes, len));
    return ino;
}

static void make_acl(struct fs *fs, uint64_t dir)
{
    struct acl a = {.count = 5,
                    .entries = {{ACL_TAG_USER_OBJ, 7, ACL_ID_NONE},
                                {ACL_TAG_USER, 6, 1001},
                                {ACL_TAG_GROUP_OBJ, 5, ACL_ID_NONE},
                                {ACL_TAG_MASK, 7, ACL_ID_NONE},
                                {ACL_TAG_OTHER, 4, ACL_ID_NONE}}};
    uint8_t bytes[ACL_LEN_MAX];
    size_t len = acl_encode(&a, bytes);

    CHECK(!fs_setxattr(fs, dir, "system.posix_acl_default", bytes, len, 0));
    CHECK(!fs_setxattr(fs, dir, "system.posix_acl_access", bytes, len, 0));
}

static void make_tree(struct fs *fs)
{
    uint64_t dir = make(fs, FS_ROOT_INO, "dir", S_IFDIR | 0755), file;
    struct fs_attr attr;

    make_file(fs, FS_ROOT_INO, "small", 100);
    file = make_file(fs, dir, "blocks", 2 * BLOCK_LEN + 50);
    CHECK(!fs_write(fs, file, 6 * BLOCK_LEN, "behind a hole", 13));
    CHECK(!fs_setxattr(fs, file, "user.note", "a value", 7, 0));
    CHECK(!fs_link(fs, file, FS_ROOT_INO, "second name", &attr));
    make_acl(fs, dir);
    make_file(fs, make(fs, dir, "inner", S_IFDIR | 0700), "deep", 10);
    CHECK(!fs_symlink(fs, dir, "link", "inner/deep", &cred, &attr));
    make(fs, dir, "fifo", S_IFIFO | 0600);
    CHECK(!fs_mknod(fs, dir, "device", S_IFCHR | 0600, 0x103, &cred, &attr));
    make_file(fs, dir, "unlinked", 10);
    CHECK(!fs_unlink(fs, dir, "unlinked"));
}

static void make_facts(struct lsm_db *db)
{
    struct super_facts facts = {.super = {.block_len = BLOCK_LEN, .label = "fuzz"},
                                .group_next = 1};
    struct inode root = {.ino = FS_ROOT_INO, .mode = S_IFDIR | 0755, .nlink = 2, .parent = 1};
    struct lsm_batch *b;

    for (size_t i = 0; i < sizeof(facts.secret); i++)
        facts.secret[i] = (uint8_t)(i * 37);
    CHECK(!lsm_batch_new(&b));
    CHECK(!super_put(b, &facts));
    CHECK(!inode_put(b, &root));
    CHECK(!lsm_write(db, b, 0));
    lsm_batch_free(b);
}

void fuzz_tree_make(struct env *env)
{
    struct lsm_options o;
    struct lsm_db *db;
    struct fs *fs;

    fuzz_tree_options(&o);
    o.create = true;
    CHECK(!db_open(env, &o, &db));
    make_facts(db);
    CHECK(!fs_open_on(db, NULL, &fs));
    make_tree(fs);
    CHECK(!lsm_flush(db));
    make_file(fs, FS_ROOT_INO, "in the log", 2 * BLOCK_LEN);
    CHECK(!lsm_sync(db));
    /* As a killed daemon leaves it: with an orphan. */
    CHECK(!lsm_close(db));
    fs->db = NULL;
    fs->read_only = true;
    fs_close(fs);
}

/* --- Looking --- */

struct walk {
    struct fs *fs;
    uint64_t inos[VISIT_COUNT_MAX];
    unsigned depths[VISIT_COUNT_MAX];
    unsigned count;
    uint64_t parent; /* of the directory at hand */
    unsigned depth;
};

static int on_entry(void *arg, const struct fs_dirent *e)
{
    struct walk *w = arg;
    struct fs_attr attr;

    CHECK(strlen(e->name) == e->name_len);
    if (w->count == VISIT_COUNT_MAX)
        return 1;
    if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
        return 0;
    fs_lookup(w->fs, w->parent, e->name, &attr);
    w->inos[w->count] = e->ino;
    w->depths[w->count++] = w->depth + 1;
    return 0;
}

static void read_contents(struct fs *fs, const struct fs_attr *attr)
{
    uint64_t places[] = {0, attr->size > 10 ? attr->size - 10 : 0};
    struct fs_read r;
    uint64_t at;

    for (unsigned i = 0; i < 2; i++) {
        if (!fs_read(fs, attr->ino, places[i], 3 * BLOCK_LEN, &r)) {
            for (int k = 0; k < r.iov_count; k++)
                fuzz_read_all(slice_of(r.iov[k].iov_base, r.iov[k].iov_len));
            fs_read_done(&r);
        }
        fs_lseek(fs, attr->ino, places[i], SEEK_HOLE, &at);
        fs_lseek(fs, attr->ino, places[i], SEEK_DATA, &at);
    }
}

static void read_xattrs(struct fs *fs, uint64_t ino)
{
    static char names[4096], value[FS_XATTR_VALUE_LEN_MAX];
    ssize_t len = fs_listxattr(fs, ino, names, sizeof(names));

    for (ssize_t i = 0; i < len; i += (ssize_t)strlen(names + i) + 1)
        fs_getxattr(fs, ino, names + i, value, sizeof(value));
    fs_getxattr(fs, ino, "system.posix_acl_access", value, sizeof(value));
    fs_getxattr(fs, ino, "system.posix_acl_default", value, sizeof(value));
}

static void visit(struct walk *w, uint64_t ino)
{
    char target[FS_SYMLINK_LEN_MAX + 1];
    struct fs_attr attr;
    unsigned undo;

    if (fs_getattr(w->fs, ino, &attr))
        return;
    read_xattrs(w->fs, ino);
    read_contents(w->fs, &attr);
    fs_readlink(w->fs, ino, target, sizeof(target));
    if (w->depth < DEPTH_MAX) {
        w->parent = ino;
        fs_readdir(w->fs, ino, 0, true, on_entry, w, &undo);
    }
}

static void look(struct fs *fs)
{
    static struct walk w;
    struct fs_attr attr;
    struct statvfs st;

    w = (struct walk){.fs = fs, .inos = {FS_ROOT_INO}, .count = 1};
    for (unsigned i = 0; i < w.count; i++) {
        w.depth = w.depths[i];
        visit(&w, w.inos[i]);
    }
    fs_resolve(fs, "/dir/inner/deep", &attr);
    fs_statvfs(fs, &st);
}

static void change(struct fs *fs)
{
    struct fs_attr attr, ret;

    if (fs_resolve(fs, "/dir/blocks", &attr) > 0 || !fs_resolve(fs, "/dir/blocks", &attr)) {
        fs_write(fs, attr.ino, 4000, "some bytes", 10);
        attr.size = 5000;
        attr.mode = 0600;
        fs_setattr(fs, attr.ino, &attr, FS_SET_SIZE | FS_SET_MODE, &ret);
        fs_fallocate(fs, attr.ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5000);
        fs_removexattr(fs, attr.ino, "user.note");
    }
    fs_rename(fs, FS_ROOT_INO, "dir", FS_ROOT_INO, "moved", 0);
    fs_rename(fs, FS_ROOT_INO, "small", FS_ROOT_INO, "second name", FS_RENAME_EXCHANGE);
    fs_mknod(fs, FS_ROOT_INO, "new", S_IFDIR | 0755, 0, &cred, &attr);
    fs_unlink(fs, FS_ROOT_INO, "second name");
    fs_rmdir(fs, FS_ROOT_INO, "moved");
}

void fuzz_tree_use(struct lsm_db *db, bool write)
{
    struct fs_options o = {.read_only = !write};
    struct fs *fs;

    if (fs_open_on(db, &o, &fs))
        return;
    look(fs);
    if (write)
        change(fs);
    /* The store stays open: its owner closes it. */
    fs->db = NULL;
    fs->read_only = true;
    fs_close(fs);
}

/* --- fsck --- */

static void on_problem(void *arg, const struct check_problem *p)
{
    (void)arg;
    fuzz_read_all(slice_str(p->text));
    fuzz_read_all(slice_str(p->path ? p->path : ""));
    CHECK(check_kind_name(p->kind));
}

static void on_info(void *arg, const char *text)
{
    (void)arg;
    fuzz_read_all(slice_str(text));
}

static void on_outcome(void *arg, const struct check_problem *p, enum repair_outcome outcome,
                       const char *text)
{
    (void)arg;
    (void)p;
    (void)outcome;
    fuzz_read_all(slice_str(text));
}

static const struct check_options checks = {.problem = on_problem, .info = on_info};

int fuzz_tree_check(struct lsm_db *db)
{
    struct check_result r;
    int err = check_run(db, &checks, &r);

    return err ? err : r.problem_count > INT32_MAX ? INT32_MAX : (int)r.problem_count;
}

void fuzz_tree_repair(struct lsm_db *db)
{
    struct repair_options o = {.check = checks, .outcome = on_outcome};
    struct repair_result r;
    int left;

    if (repair_run(db, &o, &r))
        return;
    left = fuzz_tree_check(db);
    if (left != (int)r.last.problem_count) {
        fprintf(stderr, "the repair leaves %llu problems, a check finds %d\n",
                (unsigned long long)r.last.problem_count, left);
        abort();
    }
}
