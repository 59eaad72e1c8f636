# SPDX-License-Identifier: Apache-2.0
foreach(name budget corpus_line credit idsort index lease lines prompt)
  retort_unit_test(${name} retort_coordinator PkgConfig::JANSSON)
endforeach()
