/*
 * untouched FILE COMMAND...: run the command, and see whether anybody opens, reads or changes FILE
 * meanwhile. The status of the command; 1 when it died from a signal; 99 when FILE was touched.
 */
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/check.h"

int main(int argc, char **argv)
{
    char events[4096];
    int status, watch;
    ssize_t len;
    pid_t pid;

    if (argc < 3)
        return 2;
    watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK_OK(watch);
    /* No IN_ATTRIB: another link to the file may go. */
    CHECK_OK(inotify_add_watch(watch, argv[1], IN_OPEN | IN_ACCESS | IN_MODIFY));
    pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    CHECK_TRUE(waitpid(pid, &status, 0) == pid);
    len = read(watch, events, sizeof(events));
    CHECK_TRUE(len > 0 || errno == EAGAIN);
    if (len > 0)
        return 99;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
