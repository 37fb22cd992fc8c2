/*
 * Running a task in a process of its own: this program again, with its own command line and --child
 * in front. Its stdout is a pipe, through which the result comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/kvbench/engine.h"
#include "bench/kvbench/fail.h"
#include "bench/kvbench/run.h"
#include "bench/kvbench/workload.h"

static volatile sig_atomic_t stopped;
static volatile sig_atomic_t running; /* the child's process number; 0 */

static void stop(int signal_number)
{
    stopped = signal_number;
    if (running)
        kill((pid_t)running, SIGKILL);
}

void run_catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

bool run_was_stopped(void)
{
    return stopped != 0;
}

/* In the child. */
static _Noreturn void become(const struct config *c, char *spec, int out)
{
    char **argv = calloc((size_t)c->argc + 3, sizeof(*argv));

    if (!argv || dup2(out, STDOUT_FILENO) < 0)
        bench_fail("no process can be started: %s", strerror(errno));
    argv[0] = c->argv[0];
    argv[1] = (char[]){"--child"};
    argv[2] = spec;
    memcpy(argv + 3, c->argv + 1, ((size_t)c->argc - 1) * sizeof(*argv));
    execv("/proc/self/exe", argv);
    bench_fail("no process can be started: %s", strerror(errno));
}

static bool read_result(int fd, struct result *ret)
{
    json_t *object;
    bool ok;
    FILE *f = fdopen(fd, "r");

    if (!f)
        bench_fail("out of memory");
    object = json_loadf(f, 0, NULL);
    ok = object && result_from_json(object, ret);
    json_decref(object);
    fclose(f);
    return ok;
}

static bool ended_well(pid_t pid, const char *spec)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            bench_fail("a process cannot be waited for: %s", strerror(errno));
    }
    if (WIFSIGNALED(status) && !stopped)
        fprintf(stderr, "kvbench: %s ended by signal %d%s\n", spec, WTERMSIG(status),
                WTERMSIG(status) == SIGALRM ? ": it took longer than --timeout" : "");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool run_task(const struct config *c, const struct child_task *task, struct result *ret)
{
    char spec[4200];
    int pipe_fds[2];
    bool got;
    pid_t pid;

    snprintf(spec, sizeof(spec), "%s:%s:%zu:%u:%s", task->engine->name, task->workload->name,
             task->value_len, task->round, task->dir);
    fflush(stdout);
    if (pipe2(pipe_fds, O_CLOEXEC) || (pid = fork()) < 0)
        bench_fail("no process can be started: %s", strerror(errno));
    if (!pid)
        become(c, spec, pipe_fds[1]);
    running = pid;
    if (stopped)
        kill(pid, SIGKILL);
    close(pipe_fds[1]);
    got = read_result(pipe_fds[0], ret);
    got = ended_well(pid, spec) && got;
    running = 0;
    return got && !stopped;
}
