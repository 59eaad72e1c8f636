# SPDX-License-Identifier: Apache-2.0
foreach(name corpus_line idsort index lines prompt)
  retort_unit_test(${name} retort_coordinator PkgConfig::JANSSON)
endforeach()
