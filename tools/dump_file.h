/*
 * A file of a store as text, on standard output.
 */
#ifndef TOOLS_DUMP_FILE_H
#define TOOLS_DUMP_FILE_H

#include <stdbool.h>

/* 0 or a negative code of the engine. Output that fails ends it; that is for cli_main to tell. */
int dump_file(const char *store, const char *file, bool full_values);

#endif
