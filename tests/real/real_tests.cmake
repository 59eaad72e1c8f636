# SPDX-License-Identifier: Apache-2.0
# A small run against the real model, where tests/real/run.sh has set it up before;
# skipped, aloud, where it has not.
add_test(NAME real/smollm2
         COMMAND ${CMAKE_CURRENT_LIST_DIR}/run.sh --no-setup $<TARGET_FILE:retort>
                 --prompts 10 --max-tokens 32 --name small)
set_tests_properties(real/smollm2 PROPERTIES LABELS slow TIMEOUT 600 SKIP_RETURN_CODE 77)
