/*
 * What the subcommands of fluxfs and of lsmctl share: how they are declared, how they speak of
 * errors, sizes and names.
 *
 * Exit status: 0 for success, 1 for failure, 2 for wrong usage, unless a program or command says
 * otherwise.
 * Messages go to stderr, begin with the command's name, and say what to do next.
 */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
};

/* One subcommand. argv[0] is its name; the rest are its arguments. */
struct command {
    const char *name;
    const char *alias;   /* the program name that also runs it; NULL */
    const char *summary; /* one line of `PROGRAM help` */
    const char *help;    /* all of `PROGRAM help NAME` */
    int (*run)(int argc, char **argv);
    int status_usage;  /* exit status for wrong usage */
    int status_output; /* and for output that could not be written */
};

/* A program: what `NAME help` says, and its commands. */
struct cli_program {
    const char *name;
    const char *about; /* a line or more, each with its newline */
    const struct command *const *commands;
    int command_count;
    int name_width;    /* columns for the commands' names */
    int status_failed; /* exit status of cli_error */
};

/* Find the command in argv and run it; returns the exit status of main. Closes stdout. */
int cli_main(const struct cli_program *program, int argc, char **argv);

/* The program and the command that run. Set by cli_main before run(). */
extern const struct cli_program *cli_program;
extern const struct command *cli_command;
extern const char *cli_name; /* "fluxfs mkfs", or "mkfs.fluxfs" when called by that name */
extern bool cli_by_alias;

/* Print "NAME: text" to stderr; returns the program's status for failure. */
int cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, with a hint at --help; returns the command's status for wrong usage. */
int cli_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Explain what getopt_long returned ('?' or ':', with a leading ':' in its option string). */
int cli_bad_option(int c, char **argv);
/* "-h", "--help" of a command. */
int cli_help(void);
/*
 * Behind the options stand `count` words and perhaps one more, a place in the store. Left out or
 * empty it leaves *place as it is. Returns STATUS_OK, or for fewer or more words the status for
 * wrong usage, after "name NAMES".
 */
int cli_place(int argc, char **argv, int count, const char *names, const char **place);
/*
 * Why the engine failed with `err`, in its own words, without the path of the store when they begin
 * with it. Valid until the next call of the engine.
 */
const char *cli_reason(const char *store, int err);

/* "64K", "1M", "2GiB", "4096": bytes. False when it is none. */
bool cli_parse_size(const char *text, uint64_t *ret);
/* "64 KiB", "1.5 GiB"; into a buffer of 32 bytes. */
const char *cli_size_text(uint64_t len, char buf[32]);

/* Print a name: as it is, or with control characters as \xNN when `out` is a terminal. */
void cli_put_name(FILE *out, const char *name);
/*
 * Set object[key] to a name, which may be no UTF-8: then the bytes that are none become U+FFFD,
 * and object[key_hex] holds the name byte by byte. 0 or -1.
 */
int cli_json_name(json_t *object, const char *key, const char *name);
/* Print and release; STATUS_OK, or that for failure when object is NULL (out of memory). */
int cli_json_print(json_t *object);

#endif
