# SPDX-License-Identifier: Apache-2.0
# The worker's pure parts. Transcripts and corpora are read from the source tree;
# the corpora may lie beside it.
foreach(name align answers base64 calibrate choices encode endpoints final_answer frames http intern loop_watch openai_random openai_run
        openai_request pace questions rate rate_headers raw_request retry rows rows_place rows_weigh score scored spans spares think tokenize tokens tool_parts tree_request
        words)
  retort_unit_test(${name} retort_worker PkgConfig::JANSSON)
endforeach()
target_compile_definitions(test_answers
                           PRIVATE TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data")
target_compile_definitions(test_final_answer
                           PRIVATE CORPORA="${CMAKE_SOURCE_DIR}/../shared/data")

# Every allocation passes through the test.
retort_unit_test(reader_memory retort_worker)
target_sources(test_reader_memory PRIVATE bench/answer_bodies.c)
target_include_directories(test_reader_memory PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/bench)
target_link_options(test_reader_memory PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc
                    -Wl,--wrap=realloc -Wl,--wrap=free)
