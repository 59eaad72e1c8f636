# SPDX-License-Identifier: Apache-2.0
foreach(name accept blob dedup env export filter format jwrite pack reader show verify)
  retort_unit_test(${name} retort_store)
endforeach()
