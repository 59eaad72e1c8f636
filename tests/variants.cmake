# SPDX-License-Identifier: Apache-2.0
# Programs that lack one protection on purpose (common/without.h), to prove that a
# test sees it. What is compiled here comes before the libraries, so its functions
# are taken instead of theirs.
function(retort_without name source)
  string(TOUPPER ${name} macro)
  add_executable(retort_without_${name} ${CMAKE_SOURCE_DIR}/deploy/retort.c
                 ${CMAKE_SOURCE_DIR}/${source})
  target_include_directories(retort_without_${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(retort_without_${name} PRIVATE RETORT_WITHOUT_${macro}=1)
  target_link_libraries(retort_without_${name} PRIVATE retort_deploy retort_teacher)
endfunction()

retort_without(fence store/shard_state.c)
retort_without(commit_order store/server.c)
retort_without(idempotence store/ingest.c)

add_executable(store_protocol system/store_protocol.c system/store_rig.c)
target_include_directories(store_protocol PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(store_protocol PRIVATE retort_store retort_flags PkgConfig::CMOCKA m)
add_test(NAME system/store_protocol COMMAND store_protocol $<TARGET_FILE:retort>)
add_test(NAME system/without_protections
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/system/without.sh
                 $<TARGET_FILE:store_protocol> $<TARGET_FILE_DIR:retort>)
set_tests_properties(system/store_protocol system/without_protections
                     PROPERTIES LABELS slow TIMEOUT 300)
