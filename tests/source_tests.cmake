# SPDX-License-Identifier: Apache-2.0
# What can be seen in the source alone: the layers, the layout, the other compiler.
find_program(RETORT_CLANG clang)
find_program(RETORT_CLANG_FORMAT clang-format)
set(_here ${CMAKE_CURRENT_LIST_DIR}/system)

add_test(NAME source/layers COMMAND ${_here}/layers.py ${CMAKE_SOURCE_DIR})
set_tests_properties(source/layers PROPERTIES LABELS fast TIMEOUT 60)

if(RETORT_CLANG_FORMAT)
  add_test(NAME source/format
           COMMAND ${_here}/format.sh ${RETORT_CLANG_FORMAT} ${CMAKE_SOURCE_DIR})
  set_tests_properties(source/format PROPERTIES LABELS slow TIMEOUT 120)
endif()
if(RETORT_CLANG AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_test(NAME source/clang
           COMMAND ${_here}/other_compiler.py ${CMAKE_BINARY_DIR} ${RETORT_CLANG})
  set_tests_properties(source/clang PROPERTIES LABELS slow TIMEOUT 300)
endif()

add_test(NAME source/documents
         COMMAND ${_here}/documents.py $<TARGET_FILE:retort> ${CMAKE_SOURCE_DIR})
set_tests_properties(source/documents PROPERTIES LABELS fast TIMEOUT 60)
