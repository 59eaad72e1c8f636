/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_code.h"

const char *logits_profile_name(unsigned profile)
{
	static const char *const names[] = {"exact", "fine", "compact"};

	return profile <= LOGITS_COMPACT ? names[profile] : "unknown";
}

double logits_error(unsigned profile)
{
	float steps = profile_steps(profile);

	return steps > 0 ? 0.5 / (double)steps : 0;
}
