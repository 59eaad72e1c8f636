# SPDX-License-Identifier: Apache-2.0
foreach(name budget corpus_line credit db grant idsort index index_files lease ledger
        ledger_shard ledger_views lines live prompt prompt_random redo request status)
  retort_unit_test(${name} retort_coordinator PkgConfig::JANSSON)
endforeach()
