# SPDX-License-Identifier: Apache-2.0
foreach(name budget corpus_line credit db idsort index lease ledger ledger_shard ledger_views
        lines prompt redo status)
  retort_unit_test(${name} retort_coordinator PkgConfig::JANSSON)
endforeach()
