/*
 * Acting as other users. The saved uid stays 0, so that the way back is open, while the kernel
 * takes all capabilities from an effective uid that is not 0. access(2), which asks for the real
 * one, is answered as for the user, too.
 *
 * The C library would change all threads; there is one.
 */
#include "posix/lib/posix.h"

#include <grp.h>
#include <sys/wait.h>

#include "posix/lib/posix_impl.h"

enum {
    GROUP_COUNT_MAX = 64
};

static uid_t self_uid;
static gid_t self_gid;
static gid_t self_groups[GROUP_COUNT_MAX];
static int self_group_count;

void users_init(void)
{
    self_uid = geteuid();
    self_gid = getegid();
    self_group_count = getgroups(GROUP_COUNT_MAX, self_groups);
    if (self_group_count < 0)
        self_group_count = 0;
}

bool is_root(void)
{
    return self_uid == 0;
}

void become_self(void)
{
    if (!is_root() || geteuid() == 0)
        return;
    /* The uid first: it brings back the right to set the others. */
    must(setresuid(0, 0, 0));
    must(setresgid(self_gid, self_gid, self_gid));
    must(setgroups((size_t)self_group_count, self_groups));
}

void become_with(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    become_self();
    must(setgroups(group_count, groups));
    must(setresgid(gid, gid, 0));
    must(setresuid(uid, uid, 0));
}

void become(uid_t uid, gid_t gid)
{
    become_with(uid, gid, NULL, 0);
}

void in_child(void (*run)(void *arg), void *arg)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = must(fork());
    if (pid == 0) {
        posix_is_child = true;
        run(arg);
        fflush(NULL);
        _exit(0);
    }
    must(waitpid(pid, &status, 0));
    expect_eq(0, status);
}
