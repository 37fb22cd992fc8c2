/*
 * What is done with a store while a call fails. Each scenario opens the store of the trial, arms
 * the failure at the place that it is about, goes on whatever the answers are, and leaves the store
 * open, or not.
 */
#ifndef TESTS_FAULT_ENGINE_SCENARIOS_H
#define TESTS_FAULT_ENGINE_SCENARIOS_H

#include "fault/engine_trial.h"

struct scenario {
    const char *name;
    void (*run)(struct trial *t);
    bool by_path; /* opens or makes stores by their path: no power cuts */
};

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

/* Set up, and tear down, for a group of tests: the store that all trials begin with. */
int scenario_pattern_make(void **state);
int scenario_pattern_remove(void **state);
/*
 * Make store after store and let the calls that t says fail one after the other, from the first to
 * the last that a run makes; or about `tries` of them, at places that *seed chooses. Returns how
 * many have failed.
 */
unsigned scenario_try(const struct scenario *s, const struct trial *t, unsigned tries,
                      uint64_t *seed);
/* $TEST_ROUNDS, 0 for all, or `fallback`. */
unsigned scenario_tries_wanted(unsigned fallback);
/* Is it one that $TEST_SCENARIO asks for? */
bool scenario_is_wanted(const struct scenario *s);

enum {
    SCENARIO_TRIES_ALL = 1 << 20
};

#endif
