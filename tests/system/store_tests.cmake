# SPDX-License-Identifier: Apache-2.0
# Tests that run the commands of store/ on a dataset made for them.
find_program(RETORT_SYSTEM_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)

add_executable(make_dataset system/make_dataset.c)
target_include_directories(make_dataset PRIVATE ${CMAKE_SOURCE_DIR}
                           ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(make_dataset PRIVATE retort_store retort_flags PkgConfig::CMOCKA m)

# retort_store_test(NAME COMMAND...): with retort and make_dataset as arguments.
function(retort_store_test name)
  add_test(NAME system/${name}
           COMMAND ${ARGN} $<TARGET_FILE:retort> $<TARGET_FILE:make_dataset>)
  set_tests_properties(system/${name} PROPERTIES LABELS slow TIMEOUT 900)
endfunction()

set(_here ${CMAKE_CURRENT_SOURCE_DIR}/system)
add_executable(make_parquet system/make_parquet.c)
target_include_directories(make_parquet PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(make_parquet PRIVATE retort_store retort_flags)
if(RETORT_SYSTEM_PYTHON)
  add_test(NAME system/parquet COMMAND ${RETORT_SYSTEM_PYTHON} ${_here}/test_parquet.py
                                       $<TARGET_FILE:make_parquet>)
  set_tests_properties(system/parquet PROPERTIES LABELS slow TIMEOUT 900)
endif()
retort_store_test(store_commands ${_here}/store_commands.sh)
if(RETORT_SYSTEM_PYTHON)
  # Needs python3-lmdb, python3-zstandard and python3-xxhash; says so if not.
  retort_store_test(format_reader ${RETORT_SYSTEM_PYTHON} ${_here}/test_format_reader.py)
  retort_store_test(hot_snapshot ${RETORT_SYSTEM_PYTHON} ${_here}/hot_snapshot.py)
  retort_store_test(verify_damage ${RETORT_SYSTEM_PYTHON} ${_here}/test_verify_damage.py)
endif()
set(_sanitize "")
if(RETORT_SANITIZE)
  set(_sanitize "-fsanitize=${RETORT_SANITIZE}")
endif()
retort_store_test(libretort ${_here}/libretort.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}
                  ${CMAKE_C_COMPILER} "${_sanitize} ")

# Text to token ids, and messages to text, against other programs that do the same.
add_executable(prompt_tool system/prompt_tool.c)
target_include_directories(prompt_tool PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(prompt_tool PRIVATE retort_common retort_flags)
if(RETORT_SYSTEM_PYTHON)
  add_test(NAME system/encoder COMMAND ${RETORT_SYSTEM_PYTHON} ${_here}/test_encoder.py
                                       $<TARGET_FILE:prompt_tool>)
  add_test(NAME system/template COMMAND ${RETORT_SYSTEM_PYTHON} ${_here}/test_template.py
                                        $<TARGET_FILE:prompt_tool>)
  set_tests_properties(system/encoder system/template PROPERTIES LABELS slow TIMEOUT 900)
endif()
