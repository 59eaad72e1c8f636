# SPDX-License-Identifier: Apache-2.0
# Tests that run the commands of store/ on a dataset made for them.
find_program(RETORT_SYSTEM_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)

add_executable(make_dataset system/make_dataset.c)
target_include_directories(make_dataset PRIVATE ${CMAKE_SOURCE_DIR}
                           ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(make_dataset PRIVATE retort_store retort_flags PkgConfig::CMOCKA m)

if(RETORT_SYSTEM_PYTHON)
  add_test(NAME system/format_reader
           COMMAND ${RETORT_SYSTEM_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/system/test_format_reader.py
                   $<TARGET_FILE:retort> $<TARGET_FILE:make_dataset>)
  set_tests_properties(system/format_reader PROPERTIES LABELS slow TIMEOUT 120)
endif()
