/*
 * A run: prepare, start the threads, wait for them, wait for calm, close, report.
 *
 * Each thread takes its share of the steps and times each; the end of one is the start of the next.
 * The seconds of the foreground are those from the moment when the first begins to that when the
 * last has finished, but where a workload opens the store itself, the sum of these times alone.
 */
#include "bench/kvbench/run.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/kvbench/fail.h"
#include "bench/kvbench/meter.h"
#include "bench/kvbench/store_dir.h"
#include "bench/kvbench/workload.h"

enum {
    SETTLE_S_MAX = 120,
};

/* What the threads of a run share. */
struct team {
    struct bench bench;
    struct worker *workers;
    unsigned count;
    pthread_barrier_t ready;
    uint64_t deadline_ns; /* set before the last one is ready */
};

struct member {
    struct team *team;
    struct worker *worker;
};

static void take_steps(struct worker *w, const uint64_t *deadline_ns)
{
    const struct workload *load = w->bench->workload;
    bool own_time = load->flags & WORKLOAD_OPENS;
    uint64_t now = clock_ns(), before;

    for (uint64_t i = w->begin; i < w->end; i++) {
        before = now;
        if (load->step(w, i) == STEP_END) {
            w->ended = true;
            return;
        }
        now = clock_ns();
        if (!own_time)
            histogram_add(&w->latency, now - before);
        if (now > *deadline_ns)
            return;
    }
    w->ended = true;
}

static void *work(void *arg)
{
    struct member *m = arg;

    pthread_barrier_wait(&m->team->ready);
    m->worker->start_ns = clock_ns();
    take_steps(m->worker, &m->team->deadline_ns);
    m->worker->stop_ns = clock_ns();
    return NULL;
}

static void team_init(struct team *t)
{
    const struct bench *b = &t->bench;
    uint64_t steps = b->workload->steps(b->count);

    t->count = b->workload->threads ? b->workload->threads : b->config->threads;
    t->workers = bench_alloc(t->count * sizeof(*t->workers));
    for (unsigned i = 0; i < t->count; i++) {
        struct worker *w = &t->workers[i];

        w->bench = &t->bench;
        w->index = i;
        w->rng.state = b->config->seed * 1000003 + b->variant * 131 + i;
        rng_next(&w->rng);
        dataset_init(&w->data, b->value_len, b->config->seed + i);
        w->begin = steps / t->count * i;
        w->end = i + 1 < t->count ? steps / t->count * (i + 1) : steps;
    }
    if (pthread_barrier_init(&t->ready, NULL, t->count + 1))
        bench_fail("out of memory");
}

static void team_done(struct team *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (t->workers[i].cursor)
            t->bench.engine->cursor_close(t->workers[i].cursor);
        dataset_done(&t->workers[i].data);
    }
    pthread_barrier_destroy(&t->ready);
    free(t->workers);
}

/* The nanoseconds of the foreground, when all threads have ended. */
static uint64_t foreground_ns(const struct team *t)
{
    uint64_t start = t->workers[0].start_ns, stop = t->workers[0].stop_ns;

    if (t->bench.workload->flags & WORKLOAD_OPENS)
        return t->workers[0].timed_ns;
    for (unsigned i = 1; i < t->count; i++) {
        if (t->workers[i].start_ns < start)
            start = t->workers[i].start_ns;
        if (t->workers[i].stop_ns > stop)
            stop = t->workers[i].stop_ns;
    }
    return stop - start;
}

/* Returns the nanoseconds of the foreground. */
static uint64_t team_run(struct team *t)
{
    const struct bench *b = &t->bench;
    pthread_t threads[THREAD_COUNT_MAX];
    struct member members[THREAD_COUNT_MAX];
    bool whole = b->workload->flags & WORKLOAD_WHOLE;

    for (unsigned i = 0; i < t->count; i++) {
        members[i] = (struct member){t, &t->workers[i]};
        if (pthread_create(&threads[i], NULL, work, &members[i]))
            bench_fail("no thread can be started");
    }
    t->deadline_ns = whole ? UINT64_MAX : clock_ns() + (uint64_t)(b->config->seconds_max * 1e9);
    pthread_barrier_wait(&t->ready);
    for (unsigned i = 0; i < t->count; i++)
        pthread_join(threads[i], NULL);
    return foreground_ns(t);
}

/* Preparation is worker 0's, whose counters it leaves as they were. */
static void prepare(struct team *t)
{
    struct bench *b = &t->bench;
    struct worker *w = &t->workers[0];
    bool calm;

    if (b->workload->flags & WORKLOAD_FRESH)
        store_dir_remove(b->path);
    if (b->workload->flags & WORKLOAD_COLD)
        store_dir_evict(b->path);
    if (!(b->workload->flags & WORKLOAD_OPENS))
        b->store = b->engine->open(b->config, b->path, b->workload->flags & WORKLOAD_FRESH);
    /* What the log held becomes a table now, in the background; no part of the workload. */
    if (b->store && !(b->workload->flags & WORKLOAD_FRESH))
        settle_wait(b->config->calm_s, SETTLE_S_MAX, &calm);
    if (b->workload->flags & WORKLOAD_COLD)
        store_dir_evict(b->path);
    if (b->workload->prepare)
        b->workload->prepare(b, w);
    w->op_count = 0;
    w->user_len = 0;
}

static void set_latency(const struct team *t, struct result *ret)
{
    struct histogram *all = bench_alloc(sizeof(*all));
    double *m = ret->metrics;

    for (unsigned i = 0; i < t->count; i++)
        histogram_merge(all, &t->workers[i].latency);
    m[METRIC_P50_US] = (double)histogram_percentile(all, 50) / 1e3;
    m[METRIC_P99_US] = (double)histogram_percentile(all, 99) / 1e3;
    m[METRIC_P999_US] = (double)histogram_percentile(all, 99.9) / 1e3;
    m[METRIC_MAX_US] = (double)all->max_ns / 1e3;
    free(all);
}

static void set_work(const struct team *t, uint64_t ns, struct result *ret)
{
    double *m = ret->metrics;

    for (unsigned i = 0; i < t->count; i++) {
        m[METRIC_OPS] += (double)t->workers[i].op_count;
        m[METRIC_USER_LEN] += (double)t->workers[i].user_len;
    }
    m[METRIC_SECONDS] = (double)(ns ? ns : 1) / 1e9;
    m[METRIC_OPS_PER_S] = m[METRIC_OPS] / m[METRIC_SECONDS];
}

static void set_usage(const struct usage *from, const struct usage *front,
                      const struct usage *settled, struct result *ret)
{
    double *m = ret->metrics;

    m[METRIC_FRONT_CPU_S] = front->cpu_s - from->cpu_s;
    m[METRIC_CPU_S] = settled->cpu_s - from->cpu_s;
    if (m[METRIC_OPS] > 0)
        m[METRIC_CPU_US_PER_OP] = m[METRIC_CPU_S] * 1e6 / m[METRIC_OPS];
    m[METRIC_FRONT_WRITTEN_LEN] = (double)(front->written_len - from->written_len);
    m[METRIC_WRITTEN_LEN] = (double)(settled->written_len - from->written_len);
    m[METRIC_WRITTEN_CHARS] = (double)(settled->written_chars - from->written_chars);
    m[METRIC_READ_LEN] = (double)(settled->read_len - from->read_len);
    if (m[METRIC_USER_LEN] > 0)
        m[METRIC_WRITTEN_PER_USER] = m[METRIC_WRITTEN_LEN] / m[METRIC_USER_LEN];
}

static void measure(struct team *t, struct result *ret)
{
    struct usage from, front, settled;
    bool calm;
    uint64_t ns;

    usage_read(&from);
    ns = team_run(t);
    usage_read(&front);
    ret->metrics[METRIC_SETTLE_S] =
        settle_wait(t->bench.workload->flags & WORKLOAD_READS ? 0 : t->bench.config->calm_s,
                    SETTLE_S_MAX, &calm);
    ret->metrics[METRIC_SETTLED] = calm;
    usage_read(&settled);
    ret->metrics[METRIC_PEAK_MEMORY_LEN] = (double)peak_memory_len();
    set_work(t, ns, ret);
    set_latency(t, ret);
    set_usage(&from, &front, &settled, ret);
}

static void run(const struct config *c, const char *path, struct result *ret)
{
    struct team team = {.bench = {.config = c,
                                  .engine = c->child.engine,
                                  .workload = c->child.workload,
                                  .path = path,
                                  .value_len = c->child.value_len,
                                  .count = config_count(c, c->child.value_len)}};
    struct bench *b = &team.bench;

    /* Each workload writes other values and reads in another order. */
    for (size_t i = 0; workload_at(i) != b->workload; i++)
        b->variant = i + 1;
    b->variant += c->child.round * 64;
    permutation_init(&b->order, b->count, c->seed);
    team_init(&team);
    prepare(&team);
    measure(&team, ret);
    if (b->workload->check)
        b->workload->check(b, team.workers, team.count);
    team_done(&team);
    if (b->store)
        b->engine->close(b->store);
    ret->metrics[METRIC_SPACE_LEN] = (double)store_dir_space_len(path);
}

int run_child(const struct config *c)
{
    struct result result = {.value_len = c->child.value_len, .round = c->child.round};
    char path[4200], context[128];
    json_t *object;

    /* Nobody waits for an orphan; a run that hangs is a failed one. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(c->timeout_s);
    snprintf(context, sizeof(context), "%s: %s, values of %zu bytes", c->child.engine->name,
             c->child.workload->name, c->child.value_len);
    bench_fail_context(context);
    snprintf(result.engine, sizeof(result.engine), "%s", c->child.engine->name);
    snprintf(result.workload, sizeof(result.workload), "%s", c->child.workload->name);
    snprintf(path, sizeof(path), "%s/%s-%s", c->child.dir, c->child.engine->name,
             c->child.workload->store);
    run(c, path, &result);
    object = result_to_json(&result);
    json_dumpf(object, stdout, JSON_COMPACT);
    json_decref(object);
    if (fflush(stdout))
        bench_fail("the result cannot be handed on");
    return 0;
}
