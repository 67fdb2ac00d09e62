#!/usr/bin/env bash
# Measures Cairn side by side with etcd: three nodes of each on loopback and on one disk, one
# cluster at a time, in alternating rounds, by the same loop and recorder.
#
#   bench/compare/run.sh [--quick] [--rounds N] [--seconds S] [--only REGEX] [--dir D]
#                        [--base-port P] [--out D] [--docs]
#
# --quick is one round of short runs, under three minutes; the default is three rounds. --only
# keeps the rows whose names match. Data goes below --dir (default: $TMPDIR), which must be on a
# real disk, and is removed at the end. --out (default: build/compare) receives
#   runs.tsv       one line a run: row, system, round, server CPU µs, report as JSON
#   results.json   machine, medians, all runs
#   results.md     the table, which --docs also puts into docs/benchmarks.md
#
# Nothing else should run meanwhile: servers and load share the machine's cores. CAIRN_BIN names
# the folder of cairn, cairnd, grpc_echo and etcd_load (default: build/release/bin).
# CAIRN_CONNECTIONS and ETCD_CONNECTIONS set the connections of the unary rows (1; up to 16).
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/clusters.sh
. bench/compare/rows.sh

usage() { sed -n '5,6s/^#  *//p' "$0" >&2; exit 2; }

rounds=3 seconds=5 warmup_seconds=1 only=. dir='' base_port=24000 out=build/compare docs=0
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) rounds=1 seconds=2 warmup_seconds=0.5; shift; continue ;;
    --docs) docs=1; shift; continue ;;
    --rounds | --seconds | --only | --dir | --base-port | --out) [ $# -ge 2 ] || usage ;;
    *) usage ;;
  esac
  case "$1" in
    --rounds) rounds=$2 ;; --seconds) seconds=$2 ;; --only) only=$2 ;; --dir) dir=$2 ;;
    --base-port) base_port=$2 ;; --out) out=$2 ;;
  esac
  shift 2
done

bin=$(cairn_bin)
for program in cairn cairnd grpc_echo etcd_load; do
  [ -x "$bin/$program" ] || fail "no $program in $bin; build it, or set CAIRN_BIN"
done
command -v etcd >/dev/null || fail "etcd is not installed: scripts/setup bench"
mkdir -p "$out"
made_dir=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/cairn-compare-XXXXXX")
pids=()
finish() {
  stop_pids "${pids[@]}"
  rm -rf "$made_dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

read -r load _ </proc/loadavg
awk -v load="$load" 'BEGIN { exit load < 0.5 }' &&
  echo "warning: the load is $load; figures taken beside other work mean little" >&2

: >"$out/runs.tsv"
for round in $(seq 1 "$rounds"); do
  # Odd rounds begin with etcd, even ones with Cairn, so that neither always runs on the warmer disk.
  systems=(etcd cairn)
  [ $((round % 2)) = 1 ] || systems=(cairn etcd)
  for system in echo "${systems[@]}"; do "run_$system"; done
done

report() {
  awk -v form="$1" -v rounds="$rounds" -v seconds="$seconds" -v warmup_seconds="$warmup_seconds" \
    -v machine="$(machine)" -f bench/compare/report.awk <(rows) "$out/runs.tsv"
}
report json >"$out/results.json"
report markdown >"$out/results.md"
cat "$out/results.md"
if [ "$docs" = 1 ]; then
  sed -i -e '/^<!-- results -->$/,/^<!-- end of results -->$/{//!d}' \
    -e "/^<!-- results -->\$/r $out/results.md" docs/benchmarks.md
  echo "docs/benchmarks.md has these figures now" >&2
fi
