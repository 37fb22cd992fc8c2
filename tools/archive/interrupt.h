/*
 * SIGINT, SIGTERM and SIGHUP as a question to be asked, for commands that have to finish properly.
 */
#ifndef TOOLS_INTERRUPT_H
#define TOOLS_INTERRUPT_H

#include <stdbool.h>

/* From now on the first such signal is only noted, and system calls that wait return EINTR. */
void interrupt_watch(void);
bool interrupted(void);

#endif
