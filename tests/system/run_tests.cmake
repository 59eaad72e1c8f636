# SPDX-License-Identifier: Apache-2.0
# The tests that drive whole runs of the program. RETORT_SYSTEM_PYTHON is found in
# store_tests.cmake. Each makes a folder and ports of its own, so that they may run
# beside each other; COST lets the long ones begin first.
# The time limit is for what hangs: the longest take four minutes of two cores.
#
# retort_run_test(NAME SCRIPT COST ARGS...): system/NAME runs `SCRIPT RETORT ARGS...`.
function(retort_run_test name script cost)
  if(NOT RETORT_SYSTEM_PYTHON)
    return()
  endif()
  add_test(NAME system/${name}
           COMMAND ${RETORT_SYSTEM_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/system/${script}
                   $<TARGET_FILE:retort> ${ARGN})
  # 77: what the test needs is not on this machine; it says what.
  set_tests_properties(system/${name} PROPERTIES LABELS slow TIMEOUT 1800
                       SKIP_RETURN_CODE 77 COST ${cost})
endfunction()

# Two minutes without a teacher, four times at once: it mostly waits.
retort_run_test(outage outage.py 200)
retort_run_test(malformed malformed.py 180)
retort_run_test(malformed_streams malformed.py 180 --stream)
retort_run_test(fixtures fixtures.py 90)
retort_run_test(poison poison.py 100)
retort_run_test(kill_storm kill_storm.py 150)
retort_run_test(fidelity fidelity.py 80)
retort_run_test(planted planted.py 120)
retort_run_test(probe probe.py 90)
retort_run_test(rates rates.py 60)
retort_run_test(monitoring monitoring.py 70)
retort_run_test(lifecycle lifecycle.py 60)
retort_run_test(retry_export retry_export.py 60)
retort_run_test(trainer_exports trainer_exports.py 60)
retort_run_test(templated_prompts templated_prompts.py 60)
# In a private mount namespace, if it may have one.
retort_run_test(disk_full disk_full.py 60)
retort_run_test(bad_input bad_input.py 30)
retort_run_test(own_requests own_requests.py 20)
retort_run_test(tls tls.py 60)
retort_run_test(raw_prompts raw_prompts.py 20)
retort_run_test(tokenizer tokenizer.py 50)
retort_run_test(several several.py 30)
retort_run_test(two_pass two_pass.py 110)
retort_run_test(reindex reindex.py 15)
retort_run_test(killed_starts killed_starts.py 25)
# Published corpora, which this repository does not hold: skipped, aloud, where they
# are not beside it. The tests above make theirs.
retort_run_test(corpus_gsm8k real_corpora.py 60 gsm8k)
retort_run_test(corpus_humaneval real_corpora.py 20 humaneval)
retort_run_test(corpus_self_instruct real_corpora.py 20 self_instruct)
