# SPDX-License-Identifier: Apache-2.0
foreach(name accept blob causal dedup dictionary elsewhere env export filter format ingest jwrite keys
        logits logits_columns logits_prefix logits_streams pack parquet reader shard_state show
        tables tally verify vocabulary)
  retort_unit_test(${name} retort_store)
endforeach()
target_compile_definitions(test_logits
                           PRIVATE FORMAT_VECTORS="${CMAKE_CURRENT_SOURCE_DIR}/format_vectors.json")
