#!/usr/bin/env bash
# Measures a Redis behind cairn-agent side by side with the same Redis alone, and behind twemproxy:
# on one machine, one after the other in alternating rounds, by redis-benchmark; and beside a pair of
# Redis with `appendfsync always` whose clients follow each SET with WAIT 1 (redis_wait_load).
#
#   bench/compare/redis.sh [--rounds N] [--requests N] [--base-port P] [--out D] [--docs]
#
# A cluster of three nodes, an agent with `--durability sync`, one with `async` (each with an engine
# and a log of its own), a Redis without persistence, twemproxy in front of it, and the pair run all
# the time; one of them is loaded at a time. Values have 128 bytes, keys are drawn from 100,000. --out
# (default: build/compare-redis) receives runs.tsv (row, system, round, then redis-benchmark's
# csv) and results.md: medians, ratios of medians to Redis alone, which --docs also puts into
# docs/benchmarks.md.
#
# Nothing else should run meanwhile: servers and load share the machine's cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

rounds=3 own_value=100000 base_port=24600 out=build/compare-redis docs=0
parse_options --requests "$@"
readonly requests=$own_value
begin_comparison redis-server redis-benchmark redis-cli
readonly alone=$((base_port + 20)) proxied=$((base_port + 21))
readonly sync=$((base_port + 22)) async=$((base_port + 23))
readonly pair=$((base_port + 25)) replica=$((base_port + 26))
port_of() {
  case "$1" in alone) echo "$alone" ;; proxied) echo "$proxied" ;; sync) echo "$sync" ;; async) echo "$async" ;; pair) echo "$pair" ;; esac
}

# ---- Servers ------------------------------------------------------------------------------

answers() { [ "$(redis-cli -p "$1" GET nothing 2>/dev/null)" = '' ] && redis-cli -p "$1" PING 2>/dev/null | grep -qx PONG; }
takes_writes() { redis-cli -p "$1" SET ready 1 2>/dev/null | grep -qx OK; }

start_agent() { # $1: port, $2: durability
  "$bin/cairn-agent" redis --log "bench-$2" --listen "127.0.0.1:$1" --data-dir "$work/$2" \
    --durability "$2" --log-level warn >"$work/$2.log" 2>&1 &
  pids+=($!)
}

start_redis() { # $1: port, then options
  mkdir "$work/redis-$1"
  redis-server --port "$1" --bind 127.0.0.1 --save '' --dir "$work/redis-$1" "${@:2}" \
    >"$work/redis-$1.log" 2>&1 &
  pids+=($!)
}

follows() { redis-cli -p "$replica" INFO replication 2>/dev/null | grep -q '^master_link_status:up'; }

start_redis "$alone" --appendonly no
start_redis "$pair" --appendonly yes --appendfsync always
start_redis "$replica" --appendonly yes --appendfsync always --replicaof 127.0.0.1 "$pair"
start_proxy "$proxied" "$alone" "$((base_port + 24))" "  redis: true"
start_cluster
start_agent "$sync" sync
start_agent "$async" async
for port in "$alone" "$sync" "$async" "$pair"; do
  await 30 takes_writes "$port" || fail "nothing takes writes on port $port"
done
await 30 follows || fail "the pair's replica does not follow"
[ -z "$proxy" ] || await 10 answers "$proxied" || fail "twemproxy does not answer"

# ---- Rows: name | test | connections | pipeline | share of --requests | systems -----------

rows() {
  cat <<'ROWS'
GET, 50 connections|get|50|1|1|alone proxied sync
GET, 1000 connections|get|1000|1|1|alone proxied sync
GET, 50 connections, pipeline 16|get|50|16|5|alone sync
SET, 1 connection|set|1|1|0.03|alone sync
SET, 50 connections|set|50|1|0.5|alone sync async
SET, 200 connections|set|200|1|1|alone sync async pair
SET, 1000 connections|set|1000|1|1|alone sync pair
SET, 50 connections, pipeline 16|set|50|16|2|alone sync async
GET of 40 connections beside SET of 10|mix|50|1|1|alone sync
ROWS
}

# $1: port, $2: test, $3: connections, $4: pipeline, $5: requests. redis-benchmark has no mixes: the
# SETs of one run beside the GETs that are measured.
load() {
  local options=(-p "$1" -P "$4" -d 128 -r 100000 --csv) beside
  if [ "$2" != mix ]; then
    redis-benchmark "${options[@]}" -t "$2" -c "$3" -n "$5"
    return
  fi
  redis-benchmark "${options[@]}" -t set -c $(($3 / 5)) -n 100000000 >/dev/null 2>&1 &
  beside=$!
  redis-benchmark "${options[@]}" -t get -c $(($3 * 4 / 5)) -n "$5"
  kill "$beside"
  wait "$beside" 2>/dev/null || true
}

measure() { # $1: row, $2: test, $3: connections, $4: pipeline, $5: requests, $6: system, $7: round
  local line load=(load "$(port_of "$6")" "${@:2:4}")
  [ "$6" != pair ] || load=("$bin/redis_wait_load" "$pair" "$3" "$5" 128 100000 1)
  line=$("${load[@]}" 2>"$work/load.err" | tail -n 1 | tr -d '"')
  [ "$(awk -F, '{ print NF }' <<<"$line")" = 8 ] || fail "$1 on $6: the load says '$line' $(cat "$work/load.err")"
  printf '%s\t%s\t%s\t%s\n' "$1" "$6" "$7" "$line" | tee -a "$out/runs.tsv" >&2
}

: >"$out/runs.tsv"
: >"$out/append_us"
for system in alone sync async pair; do
  redis-benchmark -p "$(port_of "$system")" -t set -c 50 -P 16 -n 300000 -d 128 -r 100000 --csv >/dev/null
done
for round in $(seq "$rounds"); do
  while IFS='|' read -r name test connections pipeline share systems; do
    count=$(awk -v n="$requests" -v share="$share" 'BEGIN { printf "%d", n * share }')
    for system in $systems; do
      [ "$system" = proxied ] && [ -z "$proxy" ] && continue
      measure "$name" "$test" "$connections" "$pipeline" "$count" "$system" "$round"
    done
  done < <(rows)
  "$bin/cairn" bench append --log bench-append --duration 3s -o json |
    sed -n 's/.*"p50_us": *\([0-9.]*\).*/\1/p' >>"$out/append_us"
done

# ---- The table -----------------------------------------------------------------------------

rows | awk -F'|' '{ print $1 }' >"$work/order"
awk -F'\t' "$kMedian"'
  FNR == NR { order[++count] = $1; next }
  { split($4, figure, ","); key = $1 SUBSEP $2
    rate[key] = rate[key] " " figure[2]; p50[key] = p50[key] " " figure[5]; p99[key] = p99[key] " " figure[7] }
  function cell(row, which,    key, r) {
    key = row SUBSEP which
    if (!(key in rate)) return " | | "
    r = median(rate[key])
    return sprintf("%.1f (%.2f) | %.2f / %.2f", r / 1000, r / median(rate[row SUBSEP "alone"]), median(p50[key]), median(p99[key]))
  }
  END {
    print "| | Redis alone, k/s | p50 / p99 ms | twemproxy | | agent, sync | | agent, async | | pair, always + `WAIT 1` | |"
    print "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for (i = 1; i <= count; ++i)
      printf "| %s | %s | %s | %s | %s | %s |\n", order[i], cell(order[i], "alone"), cell(order[i], "proxied"), cell(order[i], "sync"), cell(order[i], "async"), cell(order[i], "pair")
  }' "$work/order" "$out/runs.tsv" >"$out/results.md"
append_ms=$(awk "$kMedian"' { all = all " " $1 } END { printf "%.2f", median(all) / 1000 }' "$out/append_us")
{
  echo
  echo "An append of 128 B to the log alone, one at a time, in the same rounds: p50 $append_ms ms."
  echo "Medians of $rounds alternating rounds: thousands of requests a second (ratio to Redis alone), and p50 / p99 in ms; 128 B values, 100,000 keys; $(nproc) cores for load, engines, agents and the three nodes; $(redis-server --version | sed 's/ sha=.*//'); $(date -u +%F), commit $(git describe --always --abbrev=12)."
} >>"$out/results.md"
show_table redis
