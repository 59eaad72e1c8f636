# SPDX-License-Identifier: Apache-2.0
# The tests of the built-in teacher, deploy/teacher.
foreach(name load model text)
  retort_unit_test(teacher_${name} retort_teacher)
endforeach()
foreach(script twin.sh server.py faults.py)
  string(REGEX REPLACE "\\..*" "" name ${script})
  add_test(NAME system/teacher_${name}
           COMMAND ${CMAKE_CURRENT_LIST_DIR}/teacher_${script} $<TARGET_FILE:retort>)
  set_tests_properties(system/teacher_${name} PROPERTIES LABELS slow TIMEOUT 900)
endforeach()
