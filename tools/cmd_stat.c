/*
 * fluxfs stat: the facts of a file system. A store that is not mounted is opened, read-only; of one
 * that is in use only what can be seen from outside is told: its superblock, its files, and what
 * the mount answers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fs/fs.h"
#include "lsm/base/err.h"
#include "tools/cli.h"
#include "tools/mountinfo.h"
#include "tools/store_lock.h"
#include "tools/store_text.h"

static const char help[] =
    "Usage: fluxfs stat [--json] STORE|DIR\n"
    "Print the facts of a file system: identity, space, files of the store. DIR: a mounted\n"
    "directory.\n"
    "\n"
    "      --json   print as JSON\n"
    "  -h, --help   this text\n";

/* The lines of the report, kept as JSON and printed as such or as text. */
struct facts {
    json_t *root;
    bool failed; /* out of memory */
};

static void add(struct facts *f, const char *key, json_t *value)
{
    if (json_object_set_new(f->root, key, value))
        f->failed = true;
}

static void add_int(struct facts *f, const char *key, uint64_t v)
{
    add(f, key, json_integer((json_int_t)v));
}

static void add_name(struct facts *f, const char *key, const char *name)
{
    if (cli_json_name(f->root, key, name))
        f->failed = true;
}

/* --- What can be seen from outside --- */

/* Count and measure the files of the store's directory. */
static int add_files(struct facts *f, const char *store)
{
    uint64_t count = 0, len = 0, disk_len = 0;
    struct dirent *e;
    DIR *dir = opendir(store);

    if (!dir)
        return cli_error("%s: %s", store, strerror(errno));
    while ((e = readdir(dir))) {
        struct stat st;

        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
            continue;
        count++;
        len += (uint64_t)st.st_size;
        disk_len += (uint64_t)st.st_blocks * 512;
    }
    closedir(dir);
    add_int(f, "store_files", count);
    add_int(f, "store_bytes", len);
    add_int(f, "store_disk_bytes", disk_len);
    return STATUS_OK;
}

static void add_statvfs(struct facts *f, const struct statvfs *st)
{
    add_int(f, "total_bytes", (uint64_t)st->f_blocks * st->f_frsize);
    add_int(f, "free_bytes", (uint64_t)st->f_bavail * st->f_frsize);
}

static int put_superblock_line(void *arg, const char *line)
{
    json_t *text = json_string(line);

    return !text || json_array_append_new(arg, text) ? -ENOMEM : 0;
}

static void add_superblock(struct facts *f, const char *store)
{
    json_t *lines = json_array();

    if (!lines || lsm_dump_file(store, "SUPERBLOCK", false, put_superblock_line, lines) < 0) {
        json_decref(lines);
        return;
    }
    add(f, "superblock", lines);
}

/* The mount may be NULL. */
static int outside_facts(struct facts *f, const char *store, const struct mount_entry *mount)
{
    struct statvfs st;
    long pid = store_lock_pid(store);

    add_name(f, "store", store);
    if (pid > 0)
        add_int(f, "used_by_process", (uint64_t)pid);
    if (mount) {
        add_name(f, "mounted_on", mount->dir);
        if (!statvfs(mount->dir, &st))
            add_statvfs(f, &st);
        else
            add(f, "mount_error", json_string(strerror(errno)));
    }
    add_superblock(f, store);
    return add_files(f, store);
}

/* --- What an open store tells --- */

static void add_super(struct facts *f, const struct fs_super *super)
{
    struct timespec created = {.tv_sec = super->created_sec};
    char uuid[UUID_TEXT_LEN], when[TIME_TEXT_LEN];

    uuid_text(super->uuid, uuid);
    time_text(&created, 0, when);
    add(f, "uuid", json_string(uuid));
    add_name(f, "label", super->label);
    add(f, "created", json_string(when));
    add_int(f, "block_size", super->block_len);
}

static void add_levels(struct facts *f, const struct lsm_stats *stats)
{
    json_t *levels = json_array();

    for (int i = 0; i < 7 && levels; i++) {
        json_t *level =
            json_pack("{s:i, s:I, s:I}", "level", i, "tables", (json_int_t)stats->table_count[i],
                      "bytes", (json_int_t)stats->table_len[i]);

        if (stats->table_count[i] == 0)
            json_decref(level);
        else if (!level || json_array_append_new(levels, level))
            f->failed = true;
    }
    add(f, "levels", levels);
}

static int inside_facts(struct facts *f, struct fs *fs, const char *store)
{
    struct lsm_stats stats;
    struct statvfs st;
    int err;

    add_name(f, "store", store);
    add_super(f, fs_super(fs));
    err = lsm_stats(fs_db(fs), &stats);
    if (err)
        return cli_store_error(store, err);
    add_int(f, "format_version", stats.format_version);
    err = fs_statvfs(fs, &st);
    if (!err)
        add_statvfs(f, &st);
    add_levels(f, &stats);
    add_int(f, "log_bytes", stats.wal_len);
    add_int(f, "sequence_number", stats.seqno);
    return add_files(f, store);
}

/* --- Printing --- */

static bool is_bytes(const char *key)
{
    size_t len = strlen(key);

    return !strcmp(key, "block_size") || (len > 6 && !strcmp(key + len - 6, "_bytes"));
}

static void print_list(const json_t *list)
{
    size_t i;
    json_t *v;
    char len[32];

    putchar('\n');
    json_array_foreach(list, i, v)
    {
        if (json_is_string(v))
            printf("  %s\n", json_string_value(v));
        else
            printf("  level %lld: %lld tables, %s\n",
                   (long long)json_integer_value(json_object_get(v, "level")),
                   (long long)json_integer_value(json_object_get(v, "tables")),
                   cli_size_text((uint64_t)json_integer_value(json_object_get(v, "bytes")), len));
    }
}

/* "store_disk_bytes" is shown as "store disk size". */
static void print_key(const char *key)
{
    size_t len = strlen(key);
    char text[64];

    snprintf(text, sizeof(text), "%s", key);
    if (len > 6 && len < sizeof(text) && !strcmp(key + len - 6, "_bytes"))
        memcpy(text + len - 6, " size", 6);
    for (char *p = text; *p; p++)
        *p = *p == '_' ? ' ' : *p;
    printf("%s:%*s", text, (int)(18 - strlen(text)), "");
}

static void print_text(json_t *root)
{
    const char *key;
    json_t *v;
    char len[32];

    json_object_foreach(root, key, v)
    {
        if (json_is_string(v) && !*json_string_value(v))
            continue;
        print_key(key);
        if (json_is_array(v)) {
            print_list(v);
        } else if (json_is_string(v)) {
            cli_put_name(stdout, json_string_value(v));
            putchar('\n');
        } else if (is_bytes(key)) {
            printf("%s\n", cli_size_text((uint64_t)json_integer_value(v), len));
        } else {
            printf("%lld\n", (long long)json_integer_value(v));
        }
    }
}

static int print(struct facts *f, bool json)
{
    if (f->failed)
        return cli_error("out of memory");
    if (json)
        return cli_json_print(json_incref(f->root));
    print_text(f->root);
    return STATUS_OK;
}

/* --- Finding out which --- */

static int store_facts(struct facts *f, const char *store)
{
    struct fs_options options = {.read_only = true};
    struct mount_entry mount = {0};
    struct fs *fs;
    int err = fs_open(store, &options, &fs), status;

    if (!err) {
        status = inside_facts(f, fs, store);
        fs_close(fs);
        return status;
    }
    if (err != -ERR_STORE_LOCKED)
        return cli_store_error(store, err);
    status = mountinfo_find_store(store, &mount) == 1;
    status = outside_facts(f, store, status ? &mount : NULL);
    mount_entry_done(&mount);
    return status;
}

static int find_facts(struct facts *f, const char *target)
{
    struct mount_entry mount = {0};
    int status;

    if (mountinfo_find_dir(target, &mount) == 1 && !strcmp(mount.type, MOUNT_TYPE))
        status = outside_facts(f, mount.source, &mount);
    else
        status = store_facts(f, target);
    mount_entry_done(&mount);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"json", no_argument, NULL, 'J'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct facts f = {0};
    bool json = false;
    int c, status;

    while ((c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (c == 'h')
            return cli_help();
        if (c != 'J')
            return cli_bad_option(c, argv);
        json = true;
    }
    if (argc - optind != 1)
        return cli_usage_error("name one store or one mounted directory");
    f.root = json_object();
    if (!f.root)
        return cli_error("out of memory");
    status = find_facts(&f, argv[optind]);
    if (!status)
        status = print(&f, json);
    json_decref(f.root);
    return status;
}

const struct command command_stat = {
    .name = "stat",
    .summary = "print the facts of a file system",
    .help = help,
    .run = run,
    .status_usage = STATUS_USAGE,
    .status_output = STATUS_FAILED,
};
