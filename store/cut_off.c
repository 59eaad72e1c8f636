/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cut_off.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/options.h"

/* Made before, since a handler may hardly do anything. */
static char words[4096];

static void on_bus_error(int signal)
{
	size_t len = strlen(words), at = 0;

	(void)signal;
	while (at < len) {
		ssize_t n = write(STDERR_FILENO, words + at, len - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	_exit(EXIT_FAILED);
}

void cut_off_explain(const char *dir)
{
	struct sigaction how = {.sa_handler = on_bus_error};

	snprintf(words, sizeof(words),
		"retort: '%.3000s/data.mdb' was cut off, or its disk fails: it ends before "
		"what it says it has. Copy it again, whole, from a snapshot ('retort export "
		"--format lmdb')\n",
		dir);
	sigaction(SIGBUS, &how, NULL);
}
