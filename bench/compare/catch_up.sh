#!/usr/bin/env bash
# Measures what moving replicas costs those who append meanwhile, and how fast a new replica is
# filled.
#
#   bench/compare/catch_up.sh [--parts LIST] [--rounds N] [--mib N] [--base-port P] [--out D] [--docs]
#
# A cluster of three nodes holds a large log of records of 1 KiB; a fourth node joins.
#
# The cost, with the nodes' defaults and a log of 256 MiB: in each round appends to another log are
# timed at a fixed rate for ten seconds, once with nothing else going on and once while the large
# log's replica goes from one node to the fourth and back, again and again: each time it is filled
# anew, from the network.
#
# The speed, with no limit and a log of --mib MiB (default: 1024): in each round the replica is
# moved to the fourth node by runs and, in another cluster, entry by entry, with nothing beside it;
# and a file of as many bytes is sent over the loopback into a new file, and synced. This log came
# from a pipe, so its entries have a megabyte; the moves are also timed with one of about a quarter of
# its size that came in requests of one record, whose entries hold few. Moves by runs and copies of
# the file take turns, so that both meet the same disk. A move is timed from the tool's command to
# its end, the catalog's part in it; the file from its first byte to the end of the sync. Both read
# what the page cache holds, but for the first move, which reads the disk: nodes write their tables
# past that cache.
#
# --parts (default: costs,pipe,small) names what is measured; of the rest, what an earlier run left in
# --out stands. --out (default: build/compare-catch-up) receives costs.tsv, speeds.tsv and results.md, which --docs
# also puts into docs/benchmarks.md.
#
# Nothing else should run meanwhile: all nodes and the load share the machine's cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

rounds=3 own_value=1024 base_port=25100 out=build/compare-catch-up docs=0
parts=costs,pipe,small
if [ "${1:-}" = --parts ]; then
  [ $# -ge 2 ] || { help >&2 && exit 2; }
  parts=$2
  shift 2
fi
parse_options --mib "$@"
readonly speed_mib=$own_value cost_mib=256 rate=500 seconds=10
begin_comparison awk python3

is_member() { "$bin/cairn" cluster status | grep -q "^n4 .*ready"; }

log_bytes() { "$bin/cairn" log describe large -o json | sed -n 's/.*"bytes":\([0-9]*\).*/\1/p'; }

fill_from_pipe() { # $1: MiB
  "$bin/cairn" log create large >/dev/null
  head -c "$(($1 * 1048576))" /dev/urandom | "$bin/cairn" append large --chunk-bytes 1024 >/dev/null
}

fill_by_requests() { # $1: MiB at least, or what two minutes bring
  for _ in {1..12}; do
    "$bin/cairn" bench append --log large --clients 8 --size 1024 --warmup 0s --duration 10s >/dev/null
    [ "$(log_bytes)" -lt "$(($1 * 1048576))" ] || return 0
  done
}

# Three nodes with the large log, and a fourth. Arguments: how the log is filled, with how many MiB,
# and flags for each node.
start_four() {
  local fill=$1 mib=$2
  shift 2
  node_flags=("$@")
  start_cluster
  local newcomer="127.0.0.1:$((base_port + 40))"
  "$bin/cairn" cluster add n4 --address "$newcomer" >/dev/null
  "$bin/cairnd" --name n4 --data-dir "$work/n4" --advertise "$newcomer" --trash-keep-ms 1000 \
    --join "${CAIRN_ENDPOINTS%%,*}" "$@" >"$work/n4.log" 2>&1 &
  pids=($!)
  await 30 is_member || fail "the fourth node did not join: $(tail -n 3 "$work/n4.log")"
  echo "Filling a log with $mib MiB" >&2
  "$fill" "$mib"
}

stop_four() {
  kill "${pids[@]}"
  wait "${pids[@]}" || true
  pids=()
  CAIRN_BIN=$bin scripts/cluster stop --dir "$work/cluster" >/dev/null
  rm -rf "$work/n4"
}

load() { # prints the p99 in us
  "$bin/cairn" bench append --log small --rate "$rate" --in-flight 1000 --duration "${seconds}s" \
    -o json | sed -n 's/.*"p99_us":\([-0-9.e+]*\).*/\1/p'
}

move() { "$bin/cairn" cluster move large --from "$1" --to "$2" >/dev/null 2>&1; }

# Until the load has ended. Prints the moves, and the milliseconds that they took.
move_about() { # $1: pid of the load
  local moves=0 begin from=n1 to=n4
  begin=$(now_ms)
  while is_running "$1"; do
    move "$from" "$to"
    moves=$((moves + 1))
    local other=$from
    from=$to to=$other
  done
  echo "$moves $(($(now_ms) - begin))"
  # For the next round.
  if [ "$from" = n4 ]; then move n4 n1; fi
}

measure_costs() {
  start_four fill_from_pipe "$cost_mib"
  "$bin/cairn" log create small >/dev/null
  local round quiet moved
  for round in $(seq "$rounds"); do
    quiet=$(load)
    load >"$work/busy" &
    moved=$(move_about $!)
    wait $!
    printf '%s\t%s\t%s\t%s\t%s\n' "$round" "$quiet" "$(cat "$work/busy")" "${moved% *}" "${moved#* }" |
      tee -a "$out/costs.tsv" >&2
  done
  stop_four
}

# Prints the milliseconds of a move to the fourth node, and brings the replica back.
time_move() {
  local begin
  begin=$(now_ms)
  move n1 n4
  echo $(($(now_ms) - begin))
  move n4 n1
}

add_speed() { # round, what was moved, milliseconds, bytes
  printf '%s\t%s\t%s\t%s\n' "$@" | tee -a "$out/speeds.tsv" >&2
}

measure_speed() { # $1: what it is called; then how the log is filled, with how much, and flags
  local round bytes
  start_four "$2" "$3" --fill-bytes-per-second 0 "${@:4}"
  bytes=$(log_bytes)
  for round in $(seq "$rounds"); do
    add_speed "$round" "$1" "$(time_move)" "$bytes"
    if [ "$1" = runs ]; then add_speed "$round" file "$(time_copy)" "$((speed_mib * 1048576))"; fi
  done
  stop_four
}

# Prints the milliseconds in which a file of as many bytes is sent over the loopback, written and
# synced.
time_copy() {
  python3 - "$work" "$speed_mib" <<'PYTHON'
import os, socket, sys, threading, time

work, mib = sys.argv[1], int(sys.argv[2])
source, copy = f"{work}/source", f"{work}/copy"
with open(source, "wb") as file:
    for _ in range(mib):
        file.write(os.urandom(1 << 20))
    os.fsync(file.fileno())
listener = socket.create_server(("127.0.0.1", 0))


def receive():
    connection, _ = listener.accept()
    with open(copy, "wb", buffering=0) as file:
        while piece := connection.recv(1 << 20):
            file.write(piece)
        os.fsync(file.fileno())


receiver = threading.Thread(target=receive)
begin = time.monotonic()
receiver.start()
with socket.create_connection(listener.getsockname()) as connection, open(source, "rb") as file:
    connection.sendfile(file)
receiver.join()
print(round((time.monotonic() - begin) * 1000))
os.remove(source)
os.remove(copy)
PYTHON
}

measure_pipe() {
  measure_speed runs fill_from_pipe "$speed_mib"
  measure_speed entries fill_from_pipe "$speed_mib" --fill-by-runs false
}
measure_small() {
  measure_speed small-runs fill_by_requests "$((speed_mib / 4))"
  measure_speed small-entries fill_by_requests "$((speed_mib / 4))" --fill-by-runs false
}
# forget EXPRESSION — takes the rows out whose second column matches.
forget() {
  touch "$out/speeds.tsv"
  awk -F'\t' -v gone="^($1)\$" '$2 !~ gone' "$out/speeds.tsv" >"$work/speeds.tsv"
  mv "$work/speeds.tsv" "$out/speeds.tsv"
}

for part in ${parts//,/ }; do
  case $part in
    costs) : >"$out/costs.tsv"; measure_costs ;;
    pipe) forget 'runs|entries|file'; measure_pipe ;;
    small) forget 'small-.*'; measure_small ;;
    *) help >&2 && exit 2 ;;
  esac
done

touch "$out/costs.tsv" "$out/speeds.tsv"
{
  echo "| appends to another log, p99 | ms |"
  echo "|---|---:|"
  awk -F'\t' -v mib="$cost_mib" "$kMedian"'
    { quiet = quiet " " $2; busy = busy " " $3; ratio = ratio " " ($3 / $2)
      rate = rate " " ($4 * mib * 1.048576 / ($5 / 1000)) }
    END {
      printf "| nothing else going on | %.2f |\n| while a replica is filled | %.2f |\n", median(quiet) / 1000, median(busy) / 1000
      printf "| ratio (bar: 2) | %.2f |\n\nIt is filled at %d MB/s meanwhile.\n", median(ratio), median(rate)
    }' "$out/costs.tsv"
  echo
  awk -F'\t' "$kMedian"'
    { speeds[$2] = speeds[$2] " " ($4 / 1000 / $3) }
    END {
      runs = median(speeds["runs"]); entries = median(speeds["entries"]); file = median(speeds["file"])
      small_runs = median(speeds["small-runs"]); small_entries = median(speeds["small-entries"])
      print "| a replica is filled, with no limit, MB/s | of a log from a pipe | of a log of small requests |\n|---|---:|---:|"
      printf "| by runs | %d | %d |\n| entry by entry | %d | %d |\n", runs, small_runs, entries, small_entries
      printf "| a file is copied over the loopback | %d | |\n", file
      printf "| runs to entries (bar: 3) | %.2f | %.2f |\n", runs / entries, small_runs / small_entries
      printf "| runs to a file (bar: 0.5) | %.2f | %.2f |\n", runs / file, small_runs / file
    }' "$out/speeds.tsv"
  echo
  echo "Medians of $rounds rounds: records of 1 KiB, logs of $cost_mib MiB above, $speed_mib MiB below and $((speed_mib / 4)) MiB or what two minutes bring on the right; $rate appends a second of 128 bytes beside the first; four nodes and the load on $(nproc) cores; a move from its command to its end; $(date -u +%F), commit $(git describe --always --abbrev=12)."
} >"$out/results.md"
show_table catch-up
