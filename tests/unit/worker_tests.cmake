# SPDX-License-Identifier: Apache-2.0
# The worker's pure parts. Transcripts and corpora are read from the source tree.
retort_unit_test(text retort_common)
retort_unit_test(openai_answer retort_worker)
target_compile_definitions(test_openai_answer
                           PRIVATE TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data")
