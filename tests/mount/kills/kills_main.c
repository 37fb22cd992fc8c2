/*
 * kills FLUXFS LSMCTL STORE DIR ROUNDS SEED [COMMAND]
 *
 * Each round mounts STORE on DIR, compares what is there with the model of kills.h, lets threads
 * work on it, kills the daemon at a moment that the seed gives, and has `fsck -n` check the store
 * as it is. In some rounds the daemon is killed while it opens the store, and again; or while it
 * closes it. Between rounds named snapshots of the store are made (also by a process that is
 * killed), each must go on showing what the store held at that moment.
 *
 * COMMAND, of the shell, takes away what STORE has not synced: it is run after each kill. Then the
 * model asks only for what was synced.
 *
 * After a SIGTERM the round that is being run is the last.
 *
 * Status: 0 when all was as it must be; else what was found is told, with the round.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mount/check.h"
#include "mount/file_pattern.h"
#include "mount/kills/kills.h"
#include "mount/kills/kills_store.h"

enum {
    FUSE_MAGIC = 0x65735546,
    LOAD_US_MAX = 150000,
    OPEN_US_MAX = 30000,
    CLOSE_US_MAX = 10000,
    READY_S_MAX = 60
};

static struct kills k = {.sync_mu = PTHREAD_MUTEX_INITIALIZER};
static const char *mount_point;
static uint64_t moments;

struct counts {
    uint64_t calls, on_the_way_kept, cut_writes, lost, opening, closing;
};

static struct counts counts;

static uint64_t up_to(uint64_t most)
{
    return pattern_next(&moments) % (most + 1);
}

static void sleep_us(uint64_t us)
{
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

    nanosleep(&t, NULL);
}

static void kill_and_reap(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_TRUE(waitpid(pid, NULL, 0) == pid);
}

static pid_t start_daemon(const struct store *s)
{
    return store_spawn((const char *[]){s->fluxfs, "mount", "-f", "-o", "cache=1M,commit=1",
                                        s->path, mount_point, NULL},
                       NULL);
}

/* A stale mount says ENOTCONN, and what lies below the mount point is no FUSE. */
static void wait_ready(pid_t daemon)
{
    for (uint64_t waited = 0;; waited += 2000) {
        struct statfs st;
        int status;

        if (statfs(mount_point, &st) == 0 && st.f_type == FUSE_MAGIC)
            return;
        CHECK_TRUE(waitpid(daemon, &status, WNOHANG) == 0);
        CHECK_TRUE(waited < READY_S_MAX * UINT64_C(1000000));
        sleep_us(2000);
    }
}

static pid_t mount_store(const struct store *s)
{
    pid_t daemon;

    while (up_to(3) == 0) {
        daemon = start_daemon(s);
        sleep_us(up_to(OPEN_US_MAX));
        kill_and_reap(daemon);
        store_lose(s);
        counts.opening++;
    }
    daemon = start_daemon(s);
    wait_ready(daemon);
    return daemon;
}

static void make_dirs(void)
{
    char path[4200];

    snprintf(path, sizeof(path), "%s/noise", mount_point);
    CHECK_OK(mkdir(path, 0755));
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        struct worker *w = &k.workers[i];
        int fd;

        CHECK_OK(mkdir(w->dir, 0755));
        snprintf(path, sizeof(path), "%s/a", w->dir);
        CHECK_OK(mkdir(path, 0755));
        snprintf(path, sizeof(path), "%s/b", w->dir);
        CHECK_OK(mkdir(path, 0755));
        fd = open(path, O_RDONLY);
        CHECK_OK(fsync(fd));
        close(fd);
    }
}

static void begin(uint64_t seed)
{
    moments = seed;
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        struct worker *w = &k.workers[i];

        w->number = i;
        w->kills = &k;
        w->random = seed * THREAD_COUNT + i;
        snprintf(w->dir, sizeof(w->dir), "%s/t%u", mount_point, i);
        memset(w->base.slots, -1, sizeof(w->base.slots));
        w->now = w->base;
    }
}

static void count_found(void)
{
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        const struct worker *w = &k.workers[i];
        unsigned returned = atomic_load(&w->returned);

        counts.calls += atomic_load(&w->made);
        counts.cut_writes += w->is_cut;
        if (w->first > returned)
            counts.on_the_way_kept++;
        if (w->last < returned)
            counts.lost += returned - w->last;
    }
}

static void *noise(void *arg)
{
    (void)arg;
    noise_run(mount_point, &k);
    return NULL;
}

/* Until the daemon is killed. */
static void load(pid_t daemon)
{
    bool closing = up_to(9) == 0;
    pthread_t noise_thread;

    k.seldom_syncs = up_to(1) == 0;
    atomic_store(&k.stop, false);
    atomic_store(&k.killed, false);
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        struct worker *w = &k.workers[i];

        w->durable = 0;
        atomic_store(&w->made, 0);
        atomic_store(&w->returned, 0);
    }
    for (unsigned i = 0; i < THREAD_COUNT; i++)
        CHECK_TRUE(pthread_create(&k.workers[i].thread, NULL, worker_run, &k.workers[i]) == 0);
    CHECK_TRUE(pthread_create(&noise_thread, NULL, noise, NULL) == 0);
    sleep_us(up_to(LOAD_US_MAX));
    atomic_store(&k.killed, true);
    if (closing) {
        counts.closing++;
        kill(daemon, SIGTERM);
        sleep_us(up_to(CLOSE_US_MAX));
    }
    kill_and_reap(daemon);
    atomic_store(&k.stop, true);
    for (unsigned i = 0; i < THREAD_COUNT; i++)
        pthread_join(k.workers[i].thread, NULL);
    pthread_join(noise_thread, NULL);
}

static volatile sig_atomic_t is_ending;

static void end_soon(int sig)
{
    (void)sig;
    is_ending = 1;
}

/* How many were run: all, or fewer after a signal. */
static uint64_t run(struct store *s, uint64_t rounds)
{
    uint64_t round = 0;

    while (round < rounds && !is_ending) {
        pid_t daemon;

        round++;
        if (round % 100 == 1) {
            printf("from round %llu on\n", (unsigned long long)round);
            fflush(stdout);
        }
        daemon = mount_store(s);
        if (round == 1)
            make_dirs();
        else
            workers_check(&k, s->lose_command != NULL);
        if (round > 1)
            count_found();
        load(daemon);
        store_lose(s);
        store_check(s);
        store_snapshots(s, round, pattern_next(&moments));
    }
    return round;
}

int main(int argc, char **argv)
{
    static struct store s;
    uint64_t rounds;

    if (argc != 7 && argc != 8)
        return 2;
    s.fluxfs = argv[1];
    s.lsmctl = argv[2];
    s.path = argv[3];
    mount_point = argv[4];
    rounds = strtoull(argv[5], NULL, 10);
    s.lose_command = argc == 8 ? argv[7] : NULL;
    begin(strtoull(argv[6], NULL, 10));
    signal(SIGTERM, end_soon);
    rounds = run(&s, rounds);
    printf("%llu rounds; %llu calls, %llu of those on the way at a kill took effect, %llu writes "
           "cut at a page, %llu calls lost; killed while opening %llu times, while closing %llu; "
           "%llu snapshots made, %llu kills of a process that made one, read %llu times\n",
           (unsigned long long)rounds, (unsigned long long)counts.calls,
           (unsigned long long)counts.on_the_way_kept, (unsigned long long)counts.cut_writes,
           (unsigned long long)counts.lost, (unsigned long long)counts.opening,
           (unsigned long long)counts.closing, (unsigned long long)s.made,
           (unsigned long long)s.makers_killed, (unsigned long long)s.read);
    return 0;
}
