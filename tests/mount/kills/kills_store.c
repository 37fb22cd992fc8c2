/*
 * Commands on the store. A snapshot is known by a digest of all keys and values that lsmctl finds
 * in it, which is that of the store at the moment when it is made.
 */
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "mount/check.h"
#include "mount/kills/kills_store.h"

enum {
    CREATE_US_MAX = 12000
};

extern char **environ;

pid_t store_spawn(const char *const *words, int *ret_fd)
{
    posix_spawn_file_actions_t actions;
    int fds[2] = {-1, -1};
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    if (ret_fd) {
        CHECK_OK(pipe(fds));
        posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
        posix_spawn_file_actions_addclose(&actions, fds[0]);
        posix_spawn_file_actions_addclose(&actions, fds[1]);
    }
    CHECK_TRUE(
        posix_spawn(&pid, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    if (ret_fd) {
        close(fds[1]);
        *ret_fd = fds[0];
    }
    return pid;
}

static void expect_success(pid_t pid, const char *what)
{
    int status;

    CHECK_TRUE(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        printf("%s: status %x\n", what, (unsigned)status);
        fflush(stdout);
        _exit(1);
    }
}

void store_lose(const struct store *s)
{
    if (s->lose_command)
        expect_success(store_spawn((const char *[]){"/bin/sh", "-c", s->lose_command, NULL}, NULL),
                       s->lose_command);
}

/* What the command has to say comes only with an error. */
void store_check(const struct store *s)
{
    char text[4096] = "";
    size_t len = 0;
    ssize_t n;
    int fd, status;
    pid_t pid = store_spawn((const char *[]){s->fluxfs, "fsck", "-n", s->path, NULL}, &fd);

    while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    close(fd);
    CHECK_TRUE(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        printf("fsck has found something (status %x):\n%s\n", (unsigned)status, text);
        fflush(stdout);
        _exit(1);
    }
}

/* Of the store as it is when name is NULL. */
static uint64_t digest(const struct store *s, const char *name)
{
    static char buf[1 << 16];
    XXH64_state_t *state = XXH64_createState();
    const char *words[] = {s->lsmctl, "scan", s->path, name ? "--snapshot" : NULL, name, NULL};
    uint64_t answer;
    ssize_t n;
    int fd;
    pid_t pid;

    CHECK_TRUE(state != NULL);
    XXH64_reset(state, 0);
    pid = store_spawn(words, &fd);
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        XXH64_update(state, buf, (size_t)n);
    close(fd);
    expect_success(pid, "lsmctl scan");
    answer = XXH64_digest(state);
    XXH64_freeState(state);
    return answer;
}

static bool is_listed(const struct store *s, const char *name)
{
    static char text[1 << 16];
    size_t len = 0;
    ssize_t n;
    int fd;
    pid_t pid = store_spawn((const char *[]){s->lsmctl, "snapshot", "list", s->path, NULL}, &fd);

    while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    expect_success(pid, "lsmctl snapshot list");
    return strstr(text, name) != NULL;
}

static void check_one(struct store *s, unsigned i)
{
    s->read++;
    if (digest(s, s->snapshots[i].name) == s->snapshots[i].digest)
        return;
    printf("snapshot %s shows something else than it did\n", s->snapshots[i].name);
    fflush(stdout);
    _exit(1);
}

static void remove_oldest(struct store *s)
{
    check_one(s, 0);
    expect_success(store_spawn((const char *[]){s->lsmctl, "snapshot", "remove", s->path,
                                                s->snapshots[0].name, NULL},
                               NULL),
                   "lsmctl snapshot remove");
    s->count--;
    memmove(s->snapshots, s->snapshots + 1, s->count * sizeof(s->snapshots[0]));
}

/* By a process that is killed unless it is quicker. */
static void make_one(struct store *s, uint64_t round, bool is_killed, uint64_t random)
{
    char *name = s->snapshots[s->count].name;
    uint64_t now = digest(s, NULL);
    struct timespec wait = {.tv_nsec = (long)(random % CREATE_US_MAX) * 1000};
    bool is_made = true;
    int status;
    pid_t pid;

    snprintf(name, sizeof(s->snapshots[0].name), "round-%08llu", (unsigned long long)round);
    s->snapshots[s->count].digest = now;
    pid = store_spawn((const char *[]){s->lsmctl, "snapshot", "create", s->path, name, NULL}, NULL);
    if (is_killed) {
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        CHECK_TRUE(waitpid(pid, &status, 0) == pid);
        is_made = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        CHECK_TRUE(is_made || WIFSIGNALED(status));
        s->makers_killed += !is_made;
    } else {
        expect_success(pid, "lsmctl snapshot create");
    }
    store_lose(s);
    if (!is_listed(s, name)) {
        CHECK_TRUE(!is_made);
        return;
    }
    s->made++;
    check_one(s, s->count++);
}

void store_snapshots(struct store *s, uint64_t round, uint64_t random)
{
    if (s->count > 0 && random % 3 == 0)
        check_one(s, (unsigned)(random >> 8) % s->count);
    if (random % 5 != 0)
        return;
    if (s->count == SNAPSHOT_COUNT_MAX)
        remove_oldest(s);
    make_one(s, round, (random >> 16) % 2 == 0, random >> 24);
}
