/*
 * What is found after the end of a daemon, beside the model.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount/check.h"
#include "mount/kills/kills.h"

static struct state found;

static void read_file(const char *path, const struct stat *st, struct file *f)
{
    int fd = open(path, O_RDONLY);
    ssize_t len;

    CHECK_OK(fd);
    CHECK_TRUE(st->st_size <= FILE_LEN_MAX);
    len = read(fd, f->bytes, FILE_LEN_MAX);
    CHECK_TRUE(len == st->st_size);
    close(fd);
    f->size = (uint32_t)len;
    f->mode = st->st_mode & 07777;
    f->mark = 0;
    len = getxattr(path, "user.mark", &f->mark, sizeof(f->mark));
    CHECK_TRUE(len == sizeof(f->mark) || (len < 0 && errno == ENODATA));
}

/* Nothing but the slots may be there. */
static unsigned entry_count(const struct worker *w, const char *sub)
{
    char path[4200];
    unsigned count = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/%s", w->dir, sub);
    d = opendir(path);
    CHECK_TRUE(d != NULL);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

static void read_state(const struct worker *w)
{
    struct stat stats[SLOT_COUNT];
    unsigned count = 0;

    for (int i = 0; i < SLOT_COUNT; i++) {
        char path[4200];

        found.slots[i] = -1;
        slot_path(w, (unsigned)i, path, sizeof(path));
        if (lstat(path, &stats[i]) != 0) {
            CHECK_TRUE(errno == ENOENT);
            continue;
        }
        count++;
        for (int j = 0; j < i && found.slots[i] < 0; j++)
            if (found.slots[j] >= 0 && stats[j].st_ino == stats[i].st_ino)
                found.slots[i] = found.slots[j];
        if (found.slots[i] < 0) {
            found.slots[i] = i;
            read_file(path, &stats[i], &found.files[i]);
        }
    }
    CHECK_TRUE(entry_count(w, "a") + entry_count(w, "b") == count);
    for (int i = 0; i < SLOT_COUNT; i++)
        if (found.slots[i] >= 0)
            CHECK_TRUE(stats[i].st_nlink == state_links(&found, found.slots[i]));
}

/*
 * Is what was found the state s and the beginning of the write `op`? The kernel may cut a write
 * where a page ends.
 */
static bool is_part_of_write(const struct state *s, const struct op *op)
{
    static struct state part;

    for (uint32_t at = op->offset / PAGE_LEN * PAGE_LEN + PAGE_LEN; at < op->offset + op->len;
         at += PAGE_LEN) {
        part = *s;
        state_apply(&part, op, at - op->offset);
        if (!state_compare(&part, &found))
            return true;
    }
    return false;
}

static void explain(const struct worker *w, unsigned least, unsigned most,
                    const char *first_differs)
{
    printf("thread %u: what is in %s is the state after none of the calls from %u to %u; from that "
           "after %u differs %s. Calls:\n",
           w->number, w->dir, least, most, least, first_differs);
    for (unsigned n = least > 8 ? least - 8 : 0; n < most && n < least + 40; n++)
        op_print(n, &w->ops[n]);
    fflush(stdout);
    _exit(1);
}

/* Between `least` calls and all that were made. */
static void find_state(struct worker *w, unsigned least)
{
    unsigned made = atomic_load(&w->made);
    const char *first_differs = NULL;
    bool is_found = false;

    for (unsigned n = 0; n <= made; n++) {
        const char *differs = n < least ? "" : state_compare(&w->base, &found);

        if (n == least)
            first_differs = differs;
        if (!differs) {
            if (!is_found)
                w->first = n;
            w->last = n;
            w->is_cut = false;
            is_found = true;
        } else if (n >= least && n < made && w->ops[n].kind == OP_WRITE && !is_found &&
                   is_part_of_write(&w->base, &w->ops[n])) {
            w->first = w->last = n;
            w->is_cut = is_found = true;
        }
        if (n < made)
            state_apply(&w->base, &w->ops[n], w->ops[n].len);
    }
    if (!is_found)
        explain(w, least, made, first_differs);
    w->base = found;
    w->now = found;
}

/* What had ended before a call began that is there must be there, too. */
static void check_moment(const struct kills *k)
{
    for (unsigned i = 0; i < THREAD_COUNT; i++)
        for (unsigned j = 0; j < THREAD_COUNT; j++) {
            const struct worker *a = &k->workers[i], *b = &k->workers[j];

            if (i == j || a->last >= atomic_load(&a->made) || b->first == 0 ||
                a->ops[a->last].ended >= b->ops[b->first - 1].begun)
                continue;
            printf("call %u of thread %u is lost, and call %u of thread %u is there, which began "
                   "after the other had returned\n",
                   a->last, i, b->first - 1, j);
            fflush(stdout);
            _exit(1);
        }
}

void workers_check(struct kills *k, bool lost)
{
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        struct worker *w = &k->workers[i];

        read_state(w);
        find_state(w, lost ? w->durable : atomic_load(&w->returned));
    }
    check_moment(k);
}
