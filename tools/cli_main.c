/*
 * From argv to a command: by its name as the first word, or by the program's own name when that is
 * an alias of a command. And what all programs owe their user at the end: output that did not
 * arrive is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio_ext.h>
#include <string.h>

#include "lsm/lsm.h"
#include "tools/cli.h"

static void print_help(FILE *out)
{
    const struct cli_program *p = cli_program;

    fprintf(out, "Usage: %s COMMAND [OPTION...] ARGUMENT...\n%s\n", p->name, p->about);
    for (int i = 0; i < p->command_count; i++)
        fprintf(out, "  %-*s %s\n", p->name_width, p->commands[i]->name, p->commands[i]->summary);
    fprintf(out,
            "\n"
            "  %s help COMMAND   all about a command\n"
            "  %s --version      this program's version\n",
            p->name, p->name);
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < cli_program->command_count; i++) {
        if (!strcmp(cli_program->commands[i]->name, name))
            return cli_program->commands[i];
    }
    return NULL;
}

/* The command of a program name such as mkfs.fluxfs; NULL for the program itself. */
static const struct command *find_alias(const char *name)
{
    if (!strcmp(name, "mount.fuse.fluxfs"))
        name = "mount.fluxfs";
    if (!strcmp(name, "umount.fuse.fluxfs"))
        name = "umount.fluxfs";
    for (int i = 0; i < cli_program->command_count; i++) {
        const struct command *command = cli_program->commands[i];

        if (command->alias && !strcmp(command->alias, name))
            return command;
    }
    return NULL;
}

/*
 * Output that did not arrive is a failure, whatever the command thinks. Whoever closed stdout
 * before did not want any, which is fine as long as there was none.
 */
static int finish(int status)
{
    bool failed = ferror(stdout) != 0, pending = __fpending(stdout) != 0;
    int err = EIO;

    if (fclose(stdout)) {
        err = errno;
        failed |= pending || err != EBADF;
    }
    if (!failed)
        return status;
    fprintf(stderr, "%s: the output could not be written: %s\n", cli_name, strerror(err));
    return cli_command ? cli_command->status_output : cli_program->status_failed;
}

static int run(const struct command *command, int argc, char **argv)
{
    cli_command = command;
    opterr = 0;
    return command->run(argc, argv);
}

static int run_sub(int argc, char **argv)
{
    static char name[64];
    const struct command *command = find_command(argv[1]);

    if (!command)
        return cli_usage_error("there is no command \"%s\"", argv[1]);
    snprintf(name, sizeof(name), "%s %s", cli_program->name, command->name);
    cli_name = name;
    return run(command, argc - 1, argv + 1);
}

static int help_sub(int argc, char **argv)
{
    if (argc < 3) {
        print_help(stdout);
        return STATUS_OK;
    }
    cli_command = find_command(argv[2]);
    if (!cli_command)
        return cli_usage_error("there is no command \"%s\"", argv[2]);
    return cli_help();
}

static int run_program(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
        return help_sub(argc, argv);
    if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
        printf("%s %s\n", cli_program->name, lsm_version());
        return STATUS_OK;
    }
    if (!*word) {
        print_help(stderr);
        return STATUS_USAGE;
    }
    if (*word == '-')
        return cli_usage_error("unknown option %s", word);
    return run_sub(argc, argv);
}

/*
 * A closed stdin, stdout or stderr would give its number to a file or a pipe of ours, which what is
 * meant for the user would then reach. The stand-in is open the wrong way round, so that using it
 * fails as it does on a closed one. False when there is none.
 */
static bool hold_stdio(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return false;
    }
    return true;
}

int cli_main(const struct cli_program *program, int argc, char **argv)
{
    const char *called = argc && argv[0] ? argv[0] : program->name;
    const struct command *command;

    cli_program = program;
    cli_name = program->name;
    if (!hold_stdio())
        return program->status_failed;
    if (strrchr(called, '/'))
        called = strrchr(called, '/') + 1;
    command = find_alias(called);
    if (!command)
        return finish(run_program(argc, argv));
    cli_name = called;
    cli_by_alias = true;
    return finish(run(command, argc, argv));
}
