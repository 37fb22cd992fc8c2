/*
 * /proc/self/mountinfo, line by line (proc(5)):
 *
 *   36 35 0:51 / /mnt rw,nosuid shared:7 - fuse.fluxfs /x/store rw,user_id=0
 *
 * Space, tab, newline and backslash in a field are written as backslash and three octal digits.
 */
#include "tools/mountinfo.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void mount_entry_done(struct mount_entry *entry)
{
    free(entry->dir);
    free(entry->source);
    free(entry->type);
    *entry = (struct mount_entry){0};
}

static bool is_octal(const char *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

/* Decode in place. */
static void decode(char *text)
{
    char *out = text;

    for (const char *p = text; *p; p++) {
        if (*p == '\\' && is_octal(p + 1)) {
            *out++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 3;
        } else {
            *out++ = *p;
        }
    }
    *out = 0;
}

/* Find the fields in a line, which is taken apart; false when it has another form. */
static bool split(char *line, unsigned *minor, char **dir, char **type, char **source)
{
    unsigned major;
    char *save = NULL;
    char *word = strtok_r(line, " \n", &save);
    int field = 0;

    for (; word && strcmp(word, "-"); word = strtok_r(NULL, " \n", &save)) {
        field++;
        if (field == 3 && sscanf(word, "%u:%u", &major, minor) != 2)
            return false;
        if (field == 5)
            *dir = word;
    }
    if (!word || field < 6)
        return false;
    *type = strtok_r(NULL, " \n", &save);
    *source = *type ? strtok_r(NULL, " \n", &save) : NULL;
    if (!*source)
        return false;
    decode(*dir);
    decode(*type);
    decode(*source);
    return true;
}

static int keep(struct mount_entry *entry, const char *dir, const char *type, const char *source)
{
    mount_entry_done(entry);
    entry->dir = strdup(dir);
    entry->type = strdup(type);
    entry->source = strdup(source);
    return entry->dir && entry->type && entry->source ? 0 : -ENOMEM;
}

struct wanted {
    const char *dir;
    const char *source;    /* under our type */
    const unsigned *minor; /* with source; NULL for any */
};

static bool is_wanted(const struct wanted *w, const char *dir, const char *type, const char *source,
                      unsigned minor)
{
    if (w->dir)
        return strcmp(dir, w->dir) == 0;
    return strcmp(type, MOUNT_TYPE) == 0 && strcmp(source, w->source) == 0 &&
           (!w->minor || *w->minor == minor);
}

/* The last line of a process's mountinfo that is as asked for. */
static int find_in(const char *file, struct wanted w, struct mount_entry *ret)
{
    struct mount_entry entry = {0};
    FILE *f = fopen(file, "re");
    char *line = NULL;
    size_t cap = 0;
    int err = 0;

    if (!f)
        return -errno;
    while (!err && getline(&line, &cap, f) >= 0) {
        char *d = NULL, *t = NULL, *s = NULL;
        unsigned minor = 0;

        if (!split(line, &minor, &d, &t, &s) || !is_wanted(&w, d, t, s, minor))
            continue;
        err = keep(&entry, d, t, s);
        entry.minor = minor;
    }
    free(line);
    fclose(f);
    if (err || !entry.dir) {
        mount_entry_done(&entry);
        return err;
    }
    *ret = entry;
    return 1;
}

static int find(struct wanted w, struct mount_entry *ret)
{
    return find_in("/proc/self/mountinfo", w, ret);
}

/* Whether it is another mount namespace than ours. One that may not be looked at is not. */
static bool has_other_namespace(const char *pid)
{
    struct stat ours, other;
    char file[64];

    snprintf(file, sizeof(file), "/proc/%.20s/ns/mnt", pid);
    return !stat("/proc/self/ns/mnt", &ours) && !stat(file, &other) && ours.st_ino != other.st_ino;
}

/* In the namespaces of all processes. What cannot be read is passed over: processes come and go. */
static int find_in_others(struct wanted w, struct mount_entry *ret)
{
    DIR *d = opendir("/proc");
    const struct dirent *e;
    int found = 0;

    if (!d)
        return -errno;
    while (found != 1 && (e = readdir(d))) {
        char file[64];

        if (e->d_name[0] < '0' || e->d_name[0] > '9' || !has_other_namespace(e->d_name))
            continue;
        snprintf(file, sizeof(file), "/proc/%.20s/mountinfo", e->d_name);
        found = find_in(file, w, ret);
    }
    closedir(d);
    return found == 1;
}

/* path made absolute, its last component not looked at; NULL when that cannot be done. */
static char *absolute(const char *path)
{
    size_t len = strlen(path);
    char *copy, *base, *parent, *result = NULL;

    while (len > 1 && path[len - 1] == '/')
        len--;
    copy = strndup(path, len);
    if (!copy)
        return NULL;
    base = strrchr(copy, '/');
    base = base ? base + 1 : copy;
    if (!*base || !strcmp(base, ".") || !strcmp(base, "..")) {
        result = realpath(copy, NULL);
        free(copy);
        return result;
    }
    base = strdup(base);
    if (strrchr(copy, '/'))
        strrchr(copy, '/')[1] = 0;
    parent = realpath(strchr(copy, '/') ? copy : ".", NULL);
    if (base && parent && asprintf(&result, "%s/%s", strcmp(parent, "/") ? parent : "", base) < 0)
        result = NULL;
    free(copy);
    free(base);
    free(parent);
    return result;
}

int mountinfo_find_dir(const char *path, struct mount_entry *ret)
{
    char *dir = absolute(path);
    int rc = dir ? find((struct wanted){.dir = dir}, ret) : 0;

    free(dir);
    if (rc)
        return rc;
    dir = realpath(path, NULL);
    rc = dir ? find((struct wanted){.dir = dir}, ret) : 0;
    free(dir);
    return rc;
}

int mountinfo_find_store(const char *store, struct mount_entry *ret)
{
    char *source = realpath(store, NULL);
    int rc = source ? find((struct wanted){.source = source}, ret) : 0;

    free(source);
    return rc;
}

int mountinfo_find_same(const struct mount_entry *mount, struct mount_entry *ret)
{
    const struct wanted w = {.source = mount->source, .minor = &mount->minor};
    int found = find(w, ret);

    return found ? found : find_in_others(w, ret);
}
