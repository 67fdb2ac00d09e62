#!/usr/bin/env bash
# Measures how fast an agent of memcached fills a new engine: from its own view, on a new host from
# a snapshot, and on a new host from the log.
#
#   bench/compare/memcached_warmup.sh [--rounds N] [--mib N] [--base-port P] [--out D] [--docs]
#
# A cluster of three nodes holds a cache of --mib MiB (default: 1024) of values that cannot be
# compressed, once in values of 128 bytes and once of 1 KiB; keys have 20. In each round the agent
# is killed with its engine, and one is started
#   view      with the directory of the one before, so that it has the view
#   log       with a new directory and no store: the whole log is read first
#   snapshot  with a new directory and a store, once the log was trimmed behind its snapshot
# What is told: the filling of the engine in MB (10^6) of keys and values a second, as the agent
# says it; and the same data over the time from the start of the process until it is the primary,
# which the rest of the lease of the killed one (2 s) is part of. --out (default:
# build/compare-warmup) receives runs.tsv and results.md, which --docs also puts into
# docs/benchmarks.md.
#
# Nothing else should run meanwhile: nodes, agent and engine share the machine's cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

rounds=3 own_value=1024 base_port=24800 out=build/compare-warmup docs=0
parse_options --mib "$@"
readonly mib=$own_value
begin_comparison memcached
readonly door=$((base_port + 20)) pages=$((base_port + 21)) patience=600
agent=''

# ---- The agent ----------------------------------------------------------------------------

start_agent() { # $1: log, $2: directory, then flags
  local log=$1 directory=$2
  shift 2
  "$bin/cairn-agent" memcached --log "$log" --listen "127.0.0.1:$door" --data-dir "$directory" \
    --metrics-listen "127.0.0.1:$pages" --engine-cmd "memcached -m 8192" "$@" 2>"$work/agent.log" >&2 &
  agent=$!
  pids+=("$agent")
}

# Its engine ends with it.
kill_agent() {
  kill -KILL "$agent"
  wait "$agent" 2>/dev/null || true
}

is_primary() {
  local metrics
  metrics=$(http_get "$pages" /metrics) && grep -qxF 'cairn_agent_role{role="primary"} 1' <<<"$metrics"
}
await_primary() {
  await "$patience" is_primary || fail "no primary: $(tail -n 3 "$work/agent.log")"
}
engine_items() { http_get "$pages" /metrics | awk '$1 == "cairn_agent_engine_items" { print $2 }'; }
has_items() { [ "$(engine_items)" -ge "$1" ]; }

# ---- Data -----------------------------------------------------------------------------------

items_of() { echo $((mib * 1048576 / ($1 + 20))); }

# Sets all keys, and waits until the last is committed, and with it the others.
load() { # $1: bytes of a value
  local reply
  exec {socket}<>"/dev/tcp/127.0.0.1/$door"
  awk -v count="$(items_of "$1")" -v bytes="$1" -v pool="$(head -c 65536 /dev/urandom | base64 -w 0)" '
    BEGIN {
      for (i = 1; i <= count; ++i)
        printf "set %020d 0 0 %d%s\r\n%s\r\n", i, bytes, i < count ? " noreply" : "", substr(pool, 1 + (i * 7919) % (length(pool) - bytes), bytes)
    }' >&"$socket"
  IFS= read -r -t "$patience" reply <&"$socket"
  exec {socket}>&-
  [ "${reply%$'\r'}" = STORED ] || fail "the data was not taken: $reply"
}

# ---- Rounds ---------------------------------------------------------------------------------

measure() { # $1: bytes of a value, $2: from what, $3: round, then the arguments of start_agent
  local bytes=$1 from=$2 round=$3 began took filled
  shift 3
  kill_agent
  began=$(now_ms)
  start_agent "$@"
  await_primary
  took=$(($(now_ms) - began))
  await 10 has_items "$(items_of "$bytes")" || fail "$from: the engine has $(engine_items) items"
  filled=$(sed -n 's/.*the engine was filled.*: \([0-9]*\) MB\/s.*/\1/p' "$work/agent.log" | tail -n 1)
  printf '%s\t%s\t%s\t%s\t%s\n' "$bytes" "$from" "$round" "$filled" \
    "$(awk -v count="$(items_of "$bytes")" -v bytes="$bytes" -v ms="$took" 'BEGIN { printf "%.0f\t%.1f", count * (bytes + 20) / ms / 1000, ms / 1000 }')" |
    tee -a "$out/runs.tsv" >&2
}

start_cluster
: >"$out/runs.tsv"
for bytes in 128 1024; do
  mkdir "$work/store"
  log=warm-$bytes
  start_agent "$log" "$work/$log"
  await_primary
  load "$bytes"
  for round in $(seq "$rounds"); do
    measure "$bytes" view "$round" "$log" "$work/$log"
    rm -rf "$work/new"
    measure "$bytes" log "$round" "$log" "$work/new"
  done
  "$bin/cairn-agent" snapshot --log "$log" --store "file://$work/store" --trim keep-records=1 >&2
  for round in $(seq "$rounds"); do
    rm -rf "$work/new"
    measure "$bytes" snapshot "$round" "$log" "$work/new" --store "file://$work/store"
  done
  kill_agent
  rm -rf "$work/new" "${work:?}/$log" "$work/store"
done

# ---- The table ------------------------------------------------------------------------------

{
  echo "| | filling the engine, MB/s | the whole, MB/s | the whole, s |"
  echo "|---|---:|---:|---:|"
  awk -F'\t' "$kMedian"'
    { key = $1 SUBSEP $2
      if (!(key in fill)) { order[++count] = key; name[key] = $1 " B values, from the " $2 }
      fill[key] = fill[key] " " $4; rate[key] = rate[key] " " $5; took[key] = took[key] " " $6 }
    END {
      for (i = 1; i <= count; ++i) {
        key = order[i]
        printf "| %s | %s | %d | %.1f |\n", name[key], median(fill[key]), median(rate[key]), median(took[key])
      }
    }' "$out/runs.tsv"
  echo
  echo "Medians of $rounds rounds: $mib MiB of keys (20 B) and values, MB of 10^6 bytes; $(nproc) cores for agent, engine and the three nodes; $(memcached -V); $(date -u +%F), commit $(git describe --always --abbrev=12)."
} >"$out/results.md"
show_table warmup
