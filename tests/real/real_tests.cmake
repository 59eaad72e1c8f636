# SPDX-License-Identifier: Apache-2.0
# Small runs against the real model, over both of its protocols, where
# tests/real/run.sh has set it up before; skipped, aloud, where it has not.
foreach(api openai-chat llamacpp)
  add_test(NAME real/smollm2_${api}
           COMMAND ${CMAKE_CURRENT_LIST_DIR}/run.sh --no-setup $<TARGET_FILE:retort>
                   --api ${api} --prompts 10 --max-tokens 32 --name small-${api})
  set_tests_properties(real/smollm2_${api} PROPERTIES LABELS slow TIMEOUT 600
                                                      SKIP_RETURN_CODE 77
                                                      RESOURCE_LOCK real)
endforeach()
