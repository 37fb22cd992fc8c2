/*
 * fluxfs: dispatch by subcommand, or by the program's name when it is one that Linux looks for
 * (mkfs.fluxfs, fsck.fluxfs, mount.fluxfs, mount.fuse.fluxfs).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio_ext.h>
#include <string.h>

#include "lsm/lsm.h"
#include "tools/cli.h"

static const struct command *const commands[] = {
    &command_mkfs, &command_mount, &command_umount, &command_fsck,
    &command_stat, &command_ls,    &command_cat,    &command_dump,
};

enum {
    COMMAND_COUNT = sizeof(commands) / sizeof(commands[0])
};

static void print_help(FILE *out)
{
    fputs("Usage: fluxfs COMMAND [OPTION...] ARGUMENT...\n"
          "A file system in a directory: a tree of files kept in one store and mounted with FUSE.\n"
          "\n",
          out);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n"
          "  fluxfs help COMMAND   all about a command\n"
          "  fluxfs --version      this program's version\n",
          out);
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    }
    return NULL;
}

/* The command of a program name such as mkfs.fluxfs; NULL for fluxfs itself. */
static const struct command *find_alias(const char *name)
{
    if (!strcmp(name, "mount.fuse.fluxfs"))
        name = "mount.fluxfs";
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (commands[i]->alias && !strcmp(commands[i]->alias, name))
            return commands[i];
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
    return cli_command ? cli_command->status_output : STATUS_FAILED;
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
    snprintf(name, sizeof(name), "fluxfs %s", command->name);
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

static int run_fluxfs(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
        return help_sub(argc, argv);
    if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
        printf("fluxfs %s\n", lsm_version());
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

int main(int argc, char **argv)
{
    const char *program = argc && argv[0] ? argv[0] : "fluxfs";
    const struct command *command;

    if (!hold_stdio())
        return STATUS_FAILED;
    if (strrchr(program, '/'))
        program = strrchr(program, '/') + 1;
    command = find_alias(program);
    if (!command)
        return finish(run_fluxfs(argc, argv));
    cli_name = program;
    cli_by_alias = true;
    return finish(run(command, argc, argv));
}
