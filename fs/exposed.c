/*
 * The engine makes a store's directory 0700 and its files 0600. A directory that was there before,
 * a copy, or an archive may have other permissions, and whoever can write to the files can change
 * the file system, past all permissions in it. With an access ACL the bits of the group are its
 * mask, so they tell of that as well.
 */
#include "fs/exposed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum how {
    HOW_NOT,
    HOW_READ,
    HOW_WRITE,
    HOW_OWNER, /* it belongs to somebody else */
};

struct worst {
    enum how how;
    unsigned count; /* things with any of these */
    char name[256]; /* "": the directory */
    struct stat stat;
};

static enum how judge(const struct stat *st, uid_t owner)
{
    if (st->st_uid != owner && st->st_uid != 0)
        return HOW_OWNER;
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return HOW_WRITE;
    return st->st_mode & (S_IRGRP | S_IROTH) ? HOW_READ : HOW_NOT;
}

static void note(struct worst *w, const char *name, const struct stat *st, uid_t owner)
{
    enum how how = judge(st, owner);

    w->count += how != HOW_NOT;
    if (how <= w->how)
        return;
    w->how = how;
    w->stat = *st;
    snprintf(w->name, sizeof(w->name), "%s", name);
}

static void look(DIR *dir, struct worst *w)
{
    const struct dirent *d;
    struct stat st, own;

    if (fstat(dirfd(dir), &own))
        return;
    note(w, "", &own, own.st_uid);
    while ((d = readdir(dir)))
        if (!fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
            note(w, d->d_name, &st, own.st_uid);
}

static void describe(const char *store, const struct worst *w, char *text, size_t text_len)
{
    const char *what = *w->name ? w->name : "its directory";
    char more[64] = "";

    if (w->count > 1)
        snprintf(more, sizeof(more), " (and %u more)", w->count - 1);
    if (w->how == HOW_OWNER)
        snprintf(text, text_len,
                 "%s: others than its owner may change the store: %s belongs to user %lu%s", store,
                 what, (unsigned long)w->stat.st_uid, more);
    else
        snprintf(text, text_len,
                 "%s: others than its owner may %s the store: the mode of %s is %04o%s; "
                 "take it away with: chmod -R go= %s",
                 store, w->how == HOW_WRITE ? "change" : "read", what,
                 (unsigned)w->stat.st_mode & 07777, more, store);
}

/* A look must change nothing, not even the time of the last look. */
static DIR *open_quietly(const char *path)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int fd = open(path, flags | O_NOATIME);
    DIR *dir;

    if (fd < 0 && errno == EPERM)
        fd = open(path, flags);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

int exposed_find(const char *store, char *text, size_t text_len)
{
    struct worst w = {.how = HOW_NOT};
    DIR *dir = open_quietly(store);

    if (!dir)
        return 0;
    look(dir, &w);
    closedir(dir);
    if (w.how == HOW_NOT)
        return 0;
    describe(store, &w, text, text_len);
    return 1;
}
