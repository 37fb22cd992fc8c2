/*
 * fluxfs dump: a store as text, for people who look into it. Either its files as the engine sees
 * them, or the key-value pairs as the file system reads them, one line each:
 *
 *   D 1 3f0c... "name" -> 65536 regular file
 *
 * It shows whatever is there: what cannot be decoded is printed as bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/inode.h"
#include "fs/key.h"
#include "fs/super.h"
#include "lsm/base/err.h"
#include "tools/commands.h"
#include "tools/dump_file.h"
#include "tools/store_text.h"

enum {
    SHORT_LEN = 32 /* bytes of a value that are shown without --full */
};

static const char help[] =
    "Usage: fluxfs dump [--full] STORE [FILE...]\n"
    "Print what is in a store: without FILE, what the file system keeps there, one line per key;\n"
    "with FILE, these files of the store (SUPERBLOCK, CURRENT, a manifest, a log, a table).\n"
    "\n"
    "      --full   values whole instead of their first bytes\n"
    "  -h, --help   this text\n"
    "\n"
    "FILEs can be looked at even while the store is mounted.\n";

/* Bytes in quotes, the first SHORT_LEN of them unless full. */
static void print_bytes(struct slice s, bool full)
{
    struct buf text = {0};
    struct slice shown = s;

    if (!full && shown.len > SHORT_LEN)
        shown.len = SHORT_LEN;
    if (!buf_append_escaped(&text, shown))
        printf("\"%.*s\"%s", (int)text.len, text.len ? (const char *)text.data : "",
               shown.len < s.len ? "..." : "");
    buf_free(&text);
}

static void print_times(const struct inode *in)
{
    const struct timespec *times[] = {&in->atime, &in->mtime, &in->ctime, &in->btime};
    static const char *const names[] = {"atime", "mtime", "ctime", "btime"};

    for (int i = 0; i < 4; i++)
        printf(" %s %lld.%09ld", names[i], (long long)times[i]->tv_sec, times[i]->tv_nsec);
}

static bool print_inode(struct slice key, struct slice value)
{
    struct inode in;

    if (key.len != KEY_INODE_LEN ||
        inode_decode(get_be64(key.data + 1), value.data, value.len, &in))
        return false;
    printf("I %llu %s mode %04o uid %u gid %u nlink %u size %llu", (unsigned long long)in.ino,
           type_text(in.mode), in.mode & 07777, in.uid, in.gid, in.nlink,
           (unsigned long long)in.size);
    if (S_ISREG(in.mode))
        printf(" blocks %llu", (unsigned long long)in.block_count);
    if (S_ISCHR(in.mode) || S_ISBLK(in.mode))
        printf(" rdev %llu", (unsigned long long)in.rdev);
    if (S_ISDIR(in.mode))
        printf(" parent %llu group %llu next_slot %u", (unsigned long long)in.parent,
               (unsigned long long)in.group, in.next_slot);
    if (in.flags)
        printf(" flags 0x%x", in.flags);
    print_times(&in);
    if (S_ISLNK(in.mode)) {
        printf(" -> ");
        print_bytes(in.target, true);
    }
    putchar('\n');
    return true;
}

static bool print_dirent(struct slice key, struct slice value)
{
    if (key.len < KEY_DIRENT_HEAD_LEN || value.len != DIRENT_VALUE_LEN)
        return false;
    printf("D %llu %016llx ", (unsigned long long)get_be64(key.data + 1),
           (unsigned long long)get_be64(key.data + KEY_INODE_LEN));
    print_bytes(slice_of(key.data + KEY_DIRENT_HEAD_LEN, key.len - KEY_DIRENT_HEAD_LEN), true);
    printf(" -> %llu %s\n", (unsigned long long)get_le64(value.data),
           type_text((uint32_t)value.data[8] << 12));
    return true;
}

static bool print_block(struct slice key, struct slice value, bool full)
{
    if (key.len != KEY_BLOCK_LEN)
        return false;
    printf("B %llu %llu: %zu bytes ", (unsigned long long)get_be64(key.data + 1),
           (unsigned long long)get_be64(key.data + KEY_INODE_LEN), value.len);
    print_bytes(value, full);
    putchar('\n');
    return true;
}

static bool print_xattr(struct slice key, struct slice value, bool full)
{
    if (key.len <= KEY_INODE_LEN)
        return false;
    printf("X %llu ", (unsigned long long)get_be64(key.data + 1));
    print_bytes(slice_of(key.data + KEY_INODE_LEN, key.len - KEY_INODE_LEN), true);
    printf(": %zu bytes ", value.len);
    print_bytes(value, full);
    putchar('\n');
    return true;
}

static bool print_orphan(struct slice key)
{
    if (key.len != KEY_INODE_LEN)
        return false;
    printf("O %llu\n", (unsigned long long)get_be64(key.data + 1));
    return true;
}

static void print_raw(struct slice key, struct slice value, bool full)
{
    if (key.len && key.data[0] == KEY_SUPER)
        printf("S ");
    else
        printf("? ");
    print_bytes(key.len && key.data[0] == KEY_SUPER ? slice_of(key.data + 1, key.len - 1) : key,
                true);
    printf(": %zu bytes ", value.len);
    print_bytes(value, full);
    putchar('\n');
}

static void print_pair(struct slice key, struct slice value, bool full)
{
    bool done = false;

    switch (key.len ? key.data[0] : 0) {
    case KEY_INODE:
        done = print_inode(key, value);
        break;
    case KEY_DIRENT:
        done = print_dirent(key, value);
        break;
    case KEY_BLOCK:
        done = print_block(key, value, full);
        break;
    case KEY_XATTR:
        done = print_xattr(key, value, full);
        break;
    case KEY_ORPHAN:
        done = print_orphan(key);
        break;
    default:
        break;
    }
    if (!done)
        print_raw(key, value, full);
}

static int dump_pairs(struct lsm_db *db, bool full)
{
    struct lsm_iter *it;
    int rc = lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it);

    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1 && !ferror(stdout); rc = lsm_iter_next(it)) {
        size_t key_len, value_len;
        const void *key = lsm_iter_key(it, &key_len);
        const void *value = lsm_iter_value(it, &value_len);

        print_pair(slice_of(key, key_len), slice_of(value, value_len), full);
    }
    lsm_iter_free(it);
    return rc < 0 ? rc : 0;
}

static int dump_store(const char *store, bool full)
{
    struct lsm_options options;
    struct lsm_db *db;
    int err, status = STATUS_OK;

    super_store_options(&options);
    options.read_only = true;
    err = lsm_open(store, &options, &db);
    if (err)
        return cli_store_error(store, err);
    err = dump_pairs(db, full);
    if (err)
        status = cli_store_error(store, err);
    lsm_close(db);
    return status;
}

static int dump_one(const char *store, const char *file, bool full)
{
    int err = dump_file(store, file, full);

    if (err == -ENOENT)
        return cli_error("%s: there is no file %s in the store", store, file);
    return err ? cli_store_error(store, err) : STATUS_OK;
}

static int run(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"full", no_argument, NULL, 'F'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool full = false;
    int c, status = STATUS_OK;

    while ((c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (c == 'h')
            return cli_help();
        if (c != 'F')
            return cli_bad_option(c, argv);
        full = true;
    }
    if (argc - optind < 1)
        return cli_usage_error("name a store");
    if (argc - optind == 1)
        return dump_store(argv[optind], full);
    for (int i = optind + 1; i < argc; i++)
        status |= dump_one(argv[optind], argv[i], full);
    return status;
}

const struct command command_dump = {
    .name = "dump",
    .summary = "print what is in a store, for debugging",
    .help = help,
    .run = run,
    .status_usage = STATUS_USAGE,
    .status_output = STATUS_FAILED,
};
