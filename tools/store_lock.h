/*
 * A store's lock, looked at from outside: the file LOCK, which its owner holds with an open file
 * description lock and which names the owner's process. Nothing here takes the lock.
 */
#ifndef TOOLS_STORE_LOCK_H
#define TOOLS_STORE_LOCK_H

#include <stdbool.h>

/* The process that LOCK names, 0 when it names none. It means something only while it is held. */
long store_lock_pid(const char *store);
/* Whether somebody has the store open for writing. A store that cannot be looked at: false. */
bool store_lock_held(const char *store);
/* Wait until process `pid` (as store_lock_pid gave it before) has closed the store. */
void store_lock_wait(const char *store, long pid);

#endif
