/* SPDX-License-Identifier: Apache-2.0 */
#include "common/signals.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t stops;

static void on_stop(int number)
{
	(void)number;
	stops++;
}

void signals_install(void)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_handler = on_stop; /* without SA_RESTART: waits return */
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
}

int signals_stops(void)
{
	return stops;
}

bool signals_die_with_parent(int parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before the line above. */
	return getppid() == parent;
}
