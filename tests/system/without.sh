#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A test that cannot fail proves nothing: each protection of the store is left out
# once, and the test that is there for it must say so.
#
#     without.sh STORE_PROTOCOL FOLDER-OF-PROGRAMS
set -eu
protocol=$1
programs=$2

expect() { # PROTECTION TEST
  if out=$("$protocol" "$programs/retort_without_$1" "$2" 2>&1); then
    echo "without $1, $2 passes:"
    echo "$out"
    exit 1
  fi
  case $out in
    *"FAILED"*"$2"*) echo "without $1, $2 fails, as it must" ;;
    *)
      echo "without $1, $2 fails for another reason:"
      echo "$out"
      exit 1
      ;;
  esac
}

expect fence an_older_epoch_is_fenced
expect fence a_fence_survives_kill
expect commit_order acknowledged_survives_kill
expect idempotence the_same_put_again_does_nothing
expect idempotence twice_in_one_put
