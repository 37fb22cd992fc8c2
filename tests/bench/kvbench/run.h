/* One run of one workload on one engine: in this process, or in one of its own. */
#ifndef KVBENCH_RUN_H
#define KVBENCH_RUN_H

#include <stdbool.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/result.h"

/* Do c->child, and write its result as a line of JSON to stdout. Returns the exit status. */
int run_child(const struct config *c);
/*
 * Run `task` in a process of its own and wait. False when it failed, which it has said on stderr
 * then, or when a signal came meanwhile.
 */
bool run_task(const struct config *c, const struct child_task *task, struct result *ret);

/* Make SIGINT, SIGTERM and SIGHUP end the run in progress, and nothing more. */
void run_catch_signals(void);
bool run_was_stopped(void);

#endif
