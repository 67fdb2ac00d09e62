#!/usr/bin/env bash
# Measures moves of slots between two logs of a Redis cache: how fast keys are copied, and for how
# long calls of the slots wait.
#
#   bench/compare/reshard.sh [--rounds N] [--mib N] [--base-port P] [--out D] [--docs]
#
# A cluster of three nodes holds a cache of two logs with an agent each. One slot has --mib MiB
# (default: 256) in values of 1 KiB that cannot be compressed; it is moved to the other log and
# back, --rounds times: alone, and while eight clients increment 1000 counters of the slot, as fast
# as they are answered. What is told, as the agents say it: keys and values copied a second; the
# whole move, from the command to its end, removal at the source included; and from the moment in
# which the source holds calls back until it knows that the slot has gone. --out (default:
# build/compare-reshard) receives runs.tsv and results.md, which --docs also puts into
# docs/benchmarks.md.
#
# Nothing else should run meanwhile: nodes, agents and engines share the machine's cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

rounds=5 own_value=256 base_port=25600 out=build/compare-reshard docs=0
parse_options --mib "$@"
readonly mib=$own_value
begin_comparison redis-server redis-benchmark
readonly patience=600 tag='{bar}' slot=5061

# ---- The cache ------------------------------------------------------------------------------

port_of() { echo $((base_port + 20 + $1)); }

start_agent() { # $1: 1 or 2
  "$bin/cairn-agent" redis --cache bench --shard "$1/2" --listen "127.0.0.1:$(port_of "$1")" \
    --data-dir "$work/agent-$1" 2>"$work/agent-$1.log" >&2 &
  pids+=($!)
}

# One command on a connection of its own; its reply's first line.
ask() { # $1: 1 or 2, then the words
  local port reply
  port=$(port_of "$1")
  shift
  exec {socket}<>"/dev/tcp/127.0.0.1/$port" || return 1
  echo "$*" >&"$socket"
  IFS= read -r -t 5 reply <&"$socket" || reply=''
  exec {socket}>&-
  echo "${reply%$'\r'}"
}
serves() { [ "$(ask "$1" SET "$2" x 2>/dev/null)" = +OK ]; }

# Sets all keys, and waits for the last answer.
load() {
  local reply count=$((mib * 1024))
  exec {socket}<>"/dev/tcp/127.0.0.1/$(port_of 1)"
  awk -v count="$count" -v tag="$tag" -v pool="$(head -c 65536 /dev/urandom | base64 -w 0)" '
    BEGIN {
      print "CLIENT REPLY OFF"
      for (i = 1; i <= count; ++i)
        printf "SET %s%d %s\r\n", tag, i, substr(pool, 1 + (i * 7919) % (length(pool) - 1024), 1024)
      print "CLIENT REPLY ON"
    }' >&"$socket"
  IFS= read -r -t "$patience" reply <&"$socket"
  exec {socket}>&-
  [ "${reply%$'\r'}" = +OK ] || fail "the data was not taken: $reply"
}

# ---- Rounds ---------------------------------------------------------------------------------

# What an agent has said since: the sum of bytes and of ms of its copying, and how long calls waited.
copied() { sed -nE 's/.*written \(([0-9]+) bytes\) in ([0-9]+) ms.*/\1 \2/p' | sort -n | tail -n 1; }
waited() { sed -nE 's/.*their calls waited for ([0-9]+) ms.*/\1/p' | tail -n 1; }
said_since() { tail -n "+$(($2 + 1))" "$work/agent-$1.log"; }
lines_of() { wc -l <"$work/agent-$1.log"; }

move() { # $1: from, $2: to, $3: alone or busy, $4: round
  local from=$1 to=$2 kind=$3 round=$4 began took lines_from lines_to load='' bytes ms
  lines_from=$(lines_of "$from") lines_to=$(lines_of "$to")
  if [ "$kind" = busy ]; then
    redis-benchmark -p "$(port_of "$from")" -c 8 -r 1000 -n 1000000000 -q INCR "$tag:__rand_int__" \
      >/dev/null 2>&1 &
    load=$!
    pids+=("$load")
    sleep 1
  fi
  began=$(now_ms)
  "$bin/cairn-agent" reshard --cache bench --slots "$slot-$slot" --to "$to" >/dev/null 2>&1 ||
    fail "not moved: $("$bin/cairn-agent" reshard --cache bench --status)"
  took=$(($(now_ms) - began))
  if [ -n "$load" ]; then
    kill "$load" 2>/dev/null || true
    wait "$load" 2>/dev/null || true
  fi
  read -r bytes ms <<<"$(said_since "$to" "$lines_to" | copied)"
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$kind" "$round" "$bytes" "$ms" "$took" \
    "$(said_since "$from" "$lines_from" | waited)" | tee -a "$out/runs.tsv" >&2
}

start_cluster
start_agent 1
start_agent 2
await 60 serves 1 "$tag" || fail "no primary: $(tail -n 3 "$work/agent-1.log")"
await 60 serves 2 foo || fail "no primary: $(tail -n 3 "$work/agent-2.log")"
load
: >"$out/runs.tsv"
for kind in alone busy; do
  for round in $(seq "$rounds"); do
    move 1 2 "$kind" "$round"
    move 2 1 "$kind" "$round"
  done
done

# ---- The table ------------------------------------------------------------------------------

{
  echo "| | copying, MB/s | the whole move, s | calls waited, ms: median | longest |"
  echo "|---|---:|---:|---:|---:|"
  awk -F'\t' "$kMedian"'
    { rate[$1] = rate[$1] " " $3 / ($4 > 0 ? $4 : 1) / 1000; took[$1] = took[$1] " " $5 / 1000
      held[$1] = held[$1] " " $6; if ($6 + 0 > most[$1] + 0) most[$1] = $6 }
    END {
      name["alone"] = "nobody else"; name["busy"] = "8 clients write in the slot"
      for (i = 1; i <= split("alone busy", kinds, " "); ++i) {
        kind = kinds[i]
        printf "| %s | %.0f | %.1f | %d | %d |\n", name[kind], median(rate[kind]), median(took[kind]), median(held[kind]), most[kind]
      }
    }' "$out/runs.tsv"
  echo
  echo "$((2 * rounds)) moves each: one slot of $mib MiB in values of 1 KiB, MB of 10^6 bytes; $(nproc) cores for agents, engines and the three nodes; $(redis-server --version | cut -d' ' -f1-3); $(date -u +%F), commit $(git describe --always --abbrev=12)."
} >"$out/results.md"
show_table reshard
