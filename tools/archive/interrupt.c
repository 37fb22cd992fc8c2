/*
 * Noting that the user has had enough. The second signal ends the process as ever, which harms no
 * store.
 */
#include "tools/archive/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t noted;

static void on_signal(int signo)
{
    (void)signo;
    noted = 1;
}

void interrupt_watch(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction old, act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

        /* Whoever started it with the signal ignored (nohup) wants it so. */
        if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &act, NULL);
    }
}

bool interrupted(void)
{
    return noted != 0;
}
