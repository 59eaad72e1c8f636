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

# The whole program under ThreadSanitizer, whatever this build has: two kinds of
# sanitizer cannot be in one program, so it is compiled from the sources again.
if(NOT RETORT_SANITIZE STREQUAL "thread")
  set(sources ${CMAKE_SOURCE_DIR}/deploy/retort.c)
  foreach(target retort_common retort_store retort_coordinator retort_worker
          retort_deploy retort_teacher)
    get_target_property(folder ${target} SOURCE_DIR)
    get_target_property(names ${target} SOURCES)
    list(TRANSFORM names PREPEND ${folder}/)
    list(APPEND sources ${names})
  endforeach()
  retort_avx2(${CMAKE_SOURCE_DIR}/worker/openai_row_avx2.c)
  retort_avx2(${CMAKE_SOURCE_DIR}/worker/rows_weigh_avx2.c)
  add_executable(retort_tsan ${sources})
  target_include_directories(retort_tsan PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(retort_tsan PRIVATE _GNU_SOURCE
                             RETORT_VERSION="${PROJECT_VERSION}"
                             $<$<BOOL:${RETORT_MVEC}>:RETORT_HAS_MVEC=1>)
  target_compile_options(retort_tsan PRIVATE -O1 -g -fno-omit-frame-pointer
                         -fno-strict-aliasing -fsanitize=thread)
  target_link_options(retort_tsan PRIVATE -fsanitize=thread)
  target_link_libraries(retort_tsan PRIVATE PkgConfig::ZMQ PkgConfig::CURL
    PkgConfig::SQLITE PkgConfig::LMDB PkgConfig::JANSSON PkgConfig::ZSTD PkgConfig::ZLIB
    PkgConfig::XXHASH PkgConfig::ONIG PkgConfig::UTF8PROC PkgConfig::SODIUM
    PkgConfig::MICROHTTPD Threads::Threads m ${RETORT_MVEC})
  if(RETORT_SYSTEM_PYTHON)
    add_test(NAME system/tsan COMMAND ${RETORT_SYSTEM_PYTHON}
             ${CMAKE_CURRENT_SOURCE_DIR}/system/lifecycle.py $<TARGET_FILE:retort_tsan>)
    set_tests_properties(system/tsan PROPERTIES LABELS slow TIMEOUT 1200)
  endif()
endif()
