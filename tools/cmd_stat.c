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
#include <sys/xattr.h>

#include "fs/fs.h"
#include "fs/fuse/mount.h"
#include "lsm/base/err.h"
#include "tools/commands.h"
#include "tools/facts.h"
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

/* --- What can be seen from outside --- */

/* Count and measure the files of the store's directory. */
static int add_files(struct facts *f, const char *store)
{
    uint64_t count = 0, len = 0, disk_len = 0;
    int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
    struct dirent *e;
    DIR *dir;

    if (fd < 0 && errno == EPERM)
        fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
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
    facts_add_int(f, "store_files", count);
    facts_add_int(f, "store_bytes", len);
    facts_add_int(f, "store_disk_bytes", disk_len);
    return STATUS_OK;
}

static void add_statvfs(struct facts *f, const struct statvfs *st)
{
    facts_add_int(f, "total_bytes", (uint64_t)st->f_blocks * st->f_frsize);
    facts_add_int(f, "free_bytes", (uint64_t)st->f_bavail * st->f_frsize);
}

/* What the mount says of itself by an extended attribute; nothing when it has none such. */
static void add_attribute(struct facts *f, const char *name, const char *dir, const char *attribute)
{
    char text[1024];
    ssize_t len = getxattr(dir, attribute, text, sizeof(text) - 1);

    if (len < 0)
        return;
    text[len] = 0;
    facts_add_name(f, name, text);
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
    facts_add(f, "superblock", lines);
}

/* The mount may be NULL. */
static int outside_facts(struct facts *f, const char *store, const struct mount_entry *mount)
{
    struct statvfs st;
    long pid = store_lock_pid(store);

    facts_add_name(f, "store", store);
    if (pid > 0)
        facts_add_int(f, "used_by_process", (uint64_t)pid);
    if (mount) {
        facts_add_name(f, "mounted_on", mount->dir);
        if (!statvfs(mount->dir, &st))
            add_statvfs(f, &st);
        else
            facts_add(f, "mount_error", json_string(strerror(errno)));
        add_attribute(f, "read_only_after", mount->dir, MOUNT_FAILURE_XATTR);
        add_attribute(f, "requests_through", mount->dir, MOUNT_TRANSPORT_XATTR);
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
    facts_add(f, "uuid", json_string(uuid));
    facts_add_name(f, "label", super->label);
    facts_add(f, "created", json_string(when));
    facts_add_int(f, "block_size", super->block_len);
}

static int inside_facts(struct facts *f, struct fs *fs, const char *store)
{
    struct lsm_stats stats;
    struct statvfs st;
    int err;

    facts_add_name(f, "store", store);
    add_super(f, fs_super(fs));
    err = lsm_stats(fs_db(fs), &stats);
    if (err)
        return cli_store_error(store, err);
    facts_add_int(f, "format_version", stats.format_version);
    err = fs_statvfs(fs, &st);
    if (!err)
        add_statvfs(f, &st);
    facts_add_levels(f, &stats);
    facts_add_int(f, "log_bytes", stats.wal_len);
    facts_add_int(f, "sequence_number", stats.seqno);
    return add_files(f, store);
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
    struct facts f;
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
    facts_init(&f);
    status = find_facts(&f, argv[optind]);
    if (!status)
        status = facts_print(&f, json);
    facts_done(&f);
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
