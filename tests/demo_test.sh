#!/bin/bash
# Runs the example once, as `make demo` does, and holds its result against what it promises.
#
#   demo_test.sh BUILD_FOLDER
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export ANCHORHOLD_BIN=$1/bin ANCHORHOLD_DEMO_DIR=$1/demo-test ANCHORHOLD_DEMO_RUNS=1
"$root/examples/two-hospitals/run.sh"
# One private run is random. These bounds are far below the medians that accuracy_test holds; they
# say that the joint model learned and that the story is whole.
jq -e '.joint_accuracy > 0.85 and .nonprivate_accuracy > 0.95
  and (.alone_accuracy | length == 2)
  and (.epsilon_spent | all(. > 1 and . < 2))
  and (.refusals | length == 3 and all(.message | startswith("anchorhold: ")))' \
  "$ANCHORHOLD_DEMO_DIR/result.json" >/dev/null ||
  { echo "the result is not what the example promises:" >&2; cat "$ANCHORHOLD_DEMO_DIR/result.json" >&2; exit 1; }
[ -d "$(jq -r .state_dir "$ANCHORHOLD_DEMO_DIR/result.json")/blobs" ]
