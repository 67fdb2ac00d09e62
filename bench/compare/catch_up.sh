#!/usr/bin/env bash
# Measures what moving replicas costs those who append meanwhile, and how fast a new replica is
# filled.
#
#   bench/compare/catch_up.sh [--rounds N] [--mib N] [--base-port P] [--out D] [--docs]
#
# A cluster of three nodes holds a log of --mib MiB (default: 256) of records of 1 KiB; a fourth
# node joins. In each round appends to another log are timed at a fixed rate for ten seconds, once
# with nothing else going on and once while the large log's replica goes from one node to the
# fourth and back, again and again: each time it is filled anew, from the network. --out (default:
# build/compare-catch-up) receives runs.tsv and results.md, which --docs also puts into
# docs/benchmarks.md.
#
# Nothing else should run meanwhile: all nodes and the load share the machine's cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

rounds=3 own_value=256 base_port=25100 out=build/compare-catch-up docs=0
parse_options --mib "$@"
readonly mib=$own_value rate=500 seconds=10
begin_comparison awk
start_cluster
readonly newcomer="127.0.0.1:$((base_port + 40))"

is_member() { "$bin/cairn" cluster status | grep -q "^n4 .*ready"; }

"$bin/cairn" cluster add n4 --address "$newcomer" >/dev/null
"$bin/cairnd" --name n4 --data-dir "$work/n4" --advertise "$newcomer" --trash-keep-ms 1000 \
  --join "${CAIRN_ENDPOINTS%%,*}" >"$work/n4.log" 2>&1 &
pids+=($!)
await 30 is_member || fail "the fourth node did not join: $(tail -n 3 "$work/n4.log")"
echo "Filling a log with $mib MiB" >&2
"$bin/cairn" log create large >/dev/null
head -c "$((mib * 1048576))" /dev/urandom | "$bin/cairn" append large --chunk-bytes 1024 >/dev/null
"$bin/cairn" log create small >/dev/null

load() { # prints the p99 in us
  "$bin/cairn" bench append --log small --rate "$rate" --in-flight 1000 --duration "${seconds}s" \
    -o json | sed -n 's/.*"p99_us":\([-0-9.e+]*\).*/\1/p'
}

# Until the load has ended. Prints the moves, and the seconds that they took.
move_about() { # $1: pid of the load
  local moves=0 begin from=n1 to=n4
  begin=$(now_ms)
  while is_running "$1"; do
    "$bin/cairn" cluster move large --from "$from" --to "$to" >/dev/null 2>&1
    moves=$((moves + 1))
    local other=$from
    from=$to to=$other
  done
  echo "$moves $(($(now_ms) - begin))"
  # For the next round.
  if [ "$from" = n4 ]; then "$bin/cairn" cluster move large --from n4 --to n1 >/dev/null 2>&1; fi
}

: >"$out/runs.tsv"
for round in $(seq "$rounds"); do
  quiet=$(load)
  load >"$work/busy" &
  moved=$(move_about $!)
  wait $!
  printf '%s\t%s\t%s\t%s\t%s\n' "$round" "$quiet" "$(cat "$work/busy")" "${moved% *}" "${moved#* }" |
    tee -a "$out/runs.tsv" >&2
done

{
  echo "| appends to another log, p99 | ms |"
  echo "|---|---:|"
  awk -F'\t' -v mib="$mib" "$kMedian"'
    { quiet = quiet " " $2; busy = busy " " $3; ratio = ratio " " ($3 / $2)
      rate = rate " " ($4 * mib * 1.048576 / ($5 / 1000)) }
    END {
      printf "| nothing else going on | %.2f |\n| while a replica is filled | %.2f |\n", median(quiet) / 1000, median(busy) / 1000
      printf "| ratio (bar: 2) | %.2f |\n\nA replica is filled at %d MB/s.\n", median(ratio), median(rate)
    }' "$out/runs.tsv"
  echo
  echo "Medians of $rounds rounds: a log of $mib MiB in records of 1 KiB, moved again and again; $rate appends a second of 128 bytes beside it; four nodes and the load on $(nproc) cores; $(date -u +%F), commit $(git describe --always --abbrev=12)."
} >"$out/results.md"
show_table catch-up
