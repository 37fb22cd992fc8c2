/*
 * A report of facts in a fixed order, printed as JSON or as lines of text. A key that ends in
 * "_bytes" is shown as a size, with the underscores as spaces.
 */
#ifndef TOOLS_FACTS_H
#define TOOLS_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lsm/lsm.h"

struct facts {
    json_t *root;
    bool failed; /* out of memory; facts_print says so */
};

void facts_init(struct facts *f);
void facts_done(struct facts *f);
/* Takes the reference to value; NULL counts as out of memory. */
void facts_add(struct facts *f, const char *key, json_t *value);
void facts_add_int(struct facts *f, const char *key, uint64_t v);
/* A name that may be no UTF-8, as cli_json_name. Text prints it only when it is not empty. */
void facts_add_name(struct facts *f, const char *key, const char *name);
/* The levels that hold tables, as "levels". */
void facts_add_levels(struct facts *f, const struct lsm_stats *stats);
/* A status. */
int facts_print(struct facts *f, bool json);

#endif
