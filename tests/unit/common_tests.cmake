# SPDX-License-Identifier: Apache-2.0
foreach(name bpe buf bytes calibration clock err file hash jnumber job job_roles jplace jscan jtext limits link log mem
        options overrides reason rundir signals silence text token_map token_table tokenizer verdict wire)
  retort_unit_test(${name} retort_common)
endforeach()

# Where reading is done by two forms of one function.
retort_unit_test(jrun retort_common)
