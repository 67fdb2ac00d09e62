#!/usr/bin/env bash
# Compares two builds of Cairn: what a change costs in throughput and in the nodes' CPU time.
#
#   bench/compare/side_by_side.sh OLD_BIN NEW_BIN [ROUNDS] [-- CAIRND_FLAG…]
#
# Each folder has cairnd, cairn and cairn-agent. In each round (7 by default) a fresh cluster of
# three nodes of the one build and then of the other takes unary appends, 64 in flight, and a
# producer's records, three seconds each; the rounds alternate in which build comes first. Flags
# are for the nodes of the new build only. Prints each run and at the end the medians with
# new / old: records a second, and microseconds of the nodes' CPU a record. On a machine that others
# use too, trust the second: it counts what was worked, not how long it waited.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh

[ $# -ge 2 ] || { help >&2; exit 2; }
readonly old=$1 new=$2
shift 2
rounds=7
if [ $# -gt 0 ] && [ "$1" != -- ]; then rounds=$1; shift; fi
[ "${1:-}" != -- ] || shift
readonly new_flags=("$@")
made=$(mktemp -d "${TMPDIR:-/tmp}/cairn-side-XXXXXX")
readonly made
cleanup() {
  [ ! -d "$made/cluster" ] || CAIRN_BIN=$old scripts/cluster stop --dir "$made/cluster" || true
  rm -rf "$made"
}
trap cleanup EXIT

# CPU of the three nodes so far, in microseconds.
cpu_us() {
  local node fields ticks=0
  for node in n1 n2 n3; do
    fields=$(sed 's/.*) //' "/proc/$(cat "$made/cluster/$node.pid")/stat")
    # shellcheck disable=SC2086
    set -- $fields
    ticks=$((ticks + ${12} + ${13}))
  done
  echo $((ticks * 1000000 / $(getconf CLK_TCK)))
}

measure() { # BUILD BIN LOAD BENCH_FLAG…
  local build=$1 bin=$2 load=$3 before told records rate
  shift 3
  before=$(cpu_us)
  told=$("$bin/cairn" bench append --log "$load" --duration 3s --warmup 1s "$@")
  records=$(awk '$1 == "ops" { print $2 }' <<<"$told")
  rate=$(awk '$1 == "ops_per_s" { print $2 }' <<<"$told")
  # The CPU is the warm-up's, too: four seconds for three of records.
  awk -v b="$build" -v l="$load" -v r="$rate" -v n="$records" -v us="$(($(cpu_us) - before))" \
    'BEGIN { printf "%s\t%s\t%.0f\t%.3f\n", l, b, r, us / (n * 4 / 3) }' | tee -a "$made/runs"
}

run_build() { # BUILD BIN CAIRND_FLAG…
  local build=$1 bin=$2 endpoints
  shift 2
  rm -rf "$made/cluster"
  endpoints=$(CAIRN_BIN=$bin scripts/cluster start --dir "$made/cluster" -- "$@" |
    sed -n 's/^CAIRN_ENDPOINTS=//p')
  export CAIRN_ENDPOINTS=$endpoints
  measure "$build" "$bin" unary --in-flight 64
  measure "$build" "$bin" producer --producer --in-flight 10000
  CAIRN_BIN=$bin scripts/cluster stop --dir "$made/cluster" >/dev/null
}

for ((round = 0; round < rounds; ++round)); do
  if ((round % 2 == 0)); then run_build old "$old"; fi
  run_build new "$new" "${new_flags[@]}"
  if ((round % 2 == 1)); then run_build old "$old"; fi
done

median() { # LOAD BUILD COLUMN
  awk -v l="$1" -v b="$2" -v c="$3" '$1 == l && $2 == b { print $c }' "$made/runs" | sort -g |
    awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
printf '\n%-9s %14s %14s %7s   %12s %12s %7s\n' load 'old records/s' new ratio 'old CPU us' new ratio
for load in unary producer; do
  awk -v l="$load" -v a="$(median $load old 3)" -v b="$(median $load new 3)" \
    -v c="$(median $load old 4)" -v d="$(median $load new 4)" \
    'BEGIN { printf "%-9s %14.0f %14.0f %7.3f   %12.3f %12.3f %7.3f\n", l, a, b, b/a, c, d, d/c }'
done
