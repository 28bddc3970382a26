#!/bin/bash
# Two hospitals train one model that neither can look into.
#
# A cancer centre sees mostly malignant biopsies, a screening clinic mostly benign ones. Alone, each learns a crooked picture. Together they
# would do well, but neither may show its patients to the other, to the researcher who wrote the model, or to whoever runs the machine.
#
# This script is the tutorial: every line that starts with `run` is a command that you could type. It tells the story once, aloud; then
# four more times quietly, each in a fresh enclave, because private training is random and one run proves little.
#
#   run.sh [--keep-running]      leave the first story's enclave up, to look around
set -euo pipefail

cd "$(dirname "$0")/../.."
here=examples/two-hospitals
bin=${ANCHORHOLD_BIN:-build/release/bin}
out=${ANCHORHOLD_DEMO_DIR:-build/demo}
runs=${ANCHORHOLD_DEMO_RUNS:-5}
PATH=$(cd "$bin" && pwd):$PATH
keep_running=no
[ "${1:-}" = --keep-running ] && keep_running=yes

# The terms on which everybody agreed: public numbers, chosen without looking at a row.
terms=(--loss binary-cross-entropy --delta 1e-4 --sampling-probability 0.3 --steps 40
       --max-grad-norm 0.5 --optimizer adam --learning-rate 0.1)

# --- telling the story -------------------------------------------------------------------------------

aloud=yes
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
say() { [ "$aloud" = no ] || printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# run PARTY COMMAND...: shows a command and runs it with that party's own home.
run() {
  local party=$1
  shift
  if [ "$aloud" = yes ]; then
    printf '%s%s$ %s%s\n' "$dim" "$party" "$*" "$plain"
    ANCHORHOLD_HOME=$world/$party "$@"
  else
    ANCHORHOLD_HOME=$world/$party "$@" >>"$world/quiet.log" 2>&1
  fi
}
# refused PARTY COMMAND...: a command that must be refused with exit status 3. Prints the refusal.
refused() {
  local party=$1 message status=0
  shift
  [ "$aloud" = no ] || printf '%s%s$ %s%s\n' "$dim" "$party" "$*" "$plain" >&2
  message=$(ANCHORHOLD_HOME=$world/$party "$@" 2>&1 >/dev/null) || status=$?
  if [ "$status" -ne 3 ]; then
    echo "this should have been refused with exit status 3; it ended with $status: $message" >&2
    exit 1
  fi
  [ "$aloud" = no ] || printf '%s\n' "$message" >&2
  printf '%s' "$message"
}
ask() { local party=$1; shift; ANCHORHOLD_HOME=$world/$party "$@"; }
accuracy() {
  ask researcher anchorhold model evaluate "$model" --weights "$1" --csv "$data/test.csv" \
    --schema "$schema" --loss binary-cross-entropy --json | jq .accuracy
}

# --- one story ---------------------------------------------------------------------------------------

stop_enclave() { [ -n "${world:-}" ] && anchorhold down --state "$world/state" >/dev/null 2>&1 || true; }

start_machine() {
  say "1. The operator starts the machine: a host, and inside it an enclave."
  mkdir -p "$world"
  run operator anchorhold up --state "$world/state" --listen 127.0.0.1:0 \
    --platform insecure-simulated
  server=$(jq -r .address "$world/state/host.json")
}

# hospital NAME ROWS CSV: what each data officer does.
hospital() {
  local name=$1 csv=$2 rows
  rows=$(($(wc -l <"$csv") - 1))
  say "2. The data officer of the $name: a policy, a look at the enclave, a contract, the data."
  run "$name" anchorhold policy new --enclave "$bin/anchorhold-enclave" --accept insecure-simulated
  run "$name" anchorhold attest --server "$server"
  run "$name" anchorhold contract new --dataset "$name" --schema "$schema" --rows "$rows" \
    --epsilon 2 --delta 1e-4 --expires 2030-01-01T00:00:00Z --grant "$researcher:2" \
    --out "$world/$name.toml"
  run "$name" anchorhold contract sign "$world/$name.toml"
  run "$name" anchorhold data put "$csv" --schema "$schema" --contract "$world/$name.toml"
}

train() {
  local result=$1
  shift
  run researcher anchorhold train --model "$model" "$@" --epsilon 1 "${terms[@]}" \
    --out "$world/$result"
}

tell() {
  world=$1
  stop_enclave # of an earlier run that was told to keep running
  rm -rf "$world"
  model=$here/models/logistic.onnx
  schema=$here/schema.toml
  data=$out/data
  start_machine

  say "Everybody makes a key. Nobody has a password, and nobody shows a private key."
  for party in cancer-centre screening-clinic researcher stranger; do
    run "$party" anchorhold keygen
  done
  researcher=$(ask researcher anchorhold key --json | jq -r .fingerprint)

  hospital cancer-centre "$data/cancer-centre.csv"
  hospital screening-clinic "$data/screening-clinic.csv"

  say "3. The researcher appraises the enclave too, finds the data, checks the model, and trains."
  run researcher anchorhold policy new --enclave "$bin/anchorhold-enclave" \
    --accept insecure-simulated
  run researcher anchorhold attest --server "$server"
  run researcher anchorhold data list
  run researcher anchorhold model check "$model" --data cancer-centre
  train joint --data cancer-centre --data screening-clinic

  say "4. Anyone who has the receipt can verify it, without a server; and see what is left."
  run researcher anchorhold receipt verify "$world/joint/receipt" \
    --weights "$world/joint/weights.safetensors"
  run researcher anchorhold data show cancer-centre

  say "For comparison: what each hospital would have learned alone, at the same epsilon."
  train alone-cancer-centre --data cancer-centre
  train alone-screening-clinic --data screening-clinic
}

# The three refusals, in the first story's enclave.
refusals() {
  say "5. Three refusals. A researcher whom no contract names:"
  run stranger anchorhold policy new --enclave "$bin/anchorhold-enclave" --accept insecure-simulated
  run stranger anchorhold attest --server "$server"
  refusal_grant=$(refused stranger anchorhold train --model "$model" --data cancer-centre \
    --epsilon 1 "${terms[@]}" --out "$world/stranger-result")
  say "A job that costs more than the contract has left:"
  refusal_budget=$(refused researcher anchorhold train --model "$model" --data cancer-centre \
    --epsilon 1.9 "${terms[@]}" --out "$world/too-much")
  say "A client whose policy does not name the simulated platform:"
  run careful anchorhold keygen
  # A machine's launch measurement; any will do, as none is ever asked about it.
  run careful anchorhold policy new --accept sev-snp \
    --measurement "$(sha384sum "$bin/anchorhold-enclave" | cut -d ' ' -f 1)"
  refusal_platform=$(refused careful anchorhold attest --server "$server")
}

# --- the whole ---------------------------------------------------------------------------------------

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
percent() { awk -v v="$1" 'BEGIN { printf "%.1f %%", 100 * v }'; }

trap stop_enclave EXIT
mkdir -p "$out"
"$here/split.sh" "$here/data/wdbc.data" "$out/data"
joint=() centre=() clinic=()
for ((i = 1; i <= runs; i++)); do
  [ "$i" -eq 1 ] || { aloud=no; [ "$i" -ne 2 ] || say "" ; printf 'again, in a fresh enclave: story %d of %d\n' "$i" "$runs"; }
  tell "$out/story-$i"
  joint+=("$(accuracy "$world/joint/weights.safetensors")")
  centre+=("$(accuracy "$world/alone-cancer-centre/weights.safetensors")")
  clinic+=("$(accuracy "$world/alone-screening-clinic/weights.safetensors")")
  if [ "$i" -eq 1 ]; then
    refusals
    spent_centre=$(ask researcher anchorhold data show cancer-centre --json | jq .epsilon_spent)
    spent_clinic=$(ask researcher anchorhold data show screening-clinic --json | jq .epsilon_spent)
    say "And what privacy costs: the same model on the pooled plaintext, which nobody in this story may see."
    run researcher anchorhold model fit "$model" --csv "$data/cancer-centre.csv" \
      --csv "$data/screening-clinic.csv" --schema "$schema" --loss binary-cross-entropy \
      --insecure-no-privacy --out "$world/nonprivate.safetensors"
    nonprivate=$(accuracy "$world/nonprivate.safetensors")
    [ "$keep_running" = yes ] && continue
  fi
  stop_enclave
done

joint_median=$(printf '%s\n' "${joint[@]}" | median)
centre_median=$(printf '%s\n' "${centre[@]}" | median)
clinic_median=$(printf '%s\n' "${clinic[@]}" | median)
list() { local IFS=,; printf '[%s]' "$*"; }
jq -n --argjson joint "$joint_median" --argjson centre "$centre_median" \
  --argjson clinic "$clinic_median" --argjson nonprivate "$nonprivate" \
  --argjson spent_centre "$spent_centre" --argjson spent_clinic "$spent_clinic" \
  --argjson joint_runs "$(list "${joint[@]}")" --arg state "$(cd "$out/story-1/state" && pwd)" \
  --arg grant "$refusal_grant" --arg budget "$refusal_budget" --arg platform "$refusal_platform" '
  { joint_accuracy: $joint,
    alone_accuracy: { "cancer-centre": $centre, "screening-clinic": $clinic },
    nonprivate_accuracy: $nonprivate,
    epsilon_spent: { "cancer-centre": $spent_centre, "screening-clinic": $spent_clinic },
    refusals: [ { name: "no grant", message: $grant },
                { name: "over budget", message: $budget },
                { name: "simulated TEE not accepted", message: $platform } ],
    joint_accuracy_runs: $joint_runs,
    state_dir: $state }' >"$out/result.json"

[ "$keep_running" = no ] || trap - EXIT
aloud=yes
say "Test accuracy on 113 biopsies that nobody trained on (median of $runs runs)"
printf '  %-44s %8s %10s\n' model accuracy epsilon
printf '  %-44s %8s %10s\n' "joint, private" "$(percent "$joint_median")" 1
printf '  %-44s %8s %10s\n' "cancer centre alone, private" "$(percent "$centre_median")" 1
printf '  %-44s %8s %10s\n' "screening clinic alone, private" "$(percent "$clinic_median")" 1
printf '  %-44s %8s %10s\n' "pooled plaintext, no privacy" "$(percent "$nonprivate")" unlimited
say "Epsilon that each hospital has spent on both of its jobs together (delta 1e-4, of 2 allowed)"
printf '  %-44s %.3f\n' cancer-centre "$spent_centre" screening-clinic "$spent_clinic"
printf '\nFigures: %s\nThe host'\''s ciphertext: %s\n' "$out/result.json" "$out/story-1/state"
[ "$keep_running" = no ] || printf 'Still running: %s (anchorhold down --state %s)\n' "$server" "$out/story-1/state"
