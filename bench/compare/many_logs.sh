#!/usr/bin/env bash
# Measures what many logs cost a cluster of three nodes on one machine: while nothing is asked of
# them, when one of them is appended to, and when some are busy.
#
#   bench/compare/many_logs.sh [--rounds N] [--logs N] [--base-port P] [--out D] [--docs]
#
# Idle, over 20 s: once with --hibernate-after-ms 0, as if there were no hibernation, and once with
# the default. Wake-up: one append to each of N times 100 logs that rest (--rounds), each by a
# process of its own, which also connects and finds the leader. Busy: 1, 20 and 200 logs for 10 s,
# each with a client that asks for 20 appends of 128 bytes a second. --out (default:
# build/compare-many-logs) receives results.md; --docs also puts it into docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

rounds=1 own_value=2000 base_port=26400 out=build/compare-many-logs docs=0
parse_options --logs "$@"
readonly logs=$own_value idle_seconds=20 busy_seconds=10 wakeups=$((rounds * 100)) creators=8
begin_comparison curl

# ---- What is read of the nodes -----------------------------------------------------------------

node_pid() { cat "$work/cluster/n$1.pid"; }
ticks_of() { awk '{ print $14 + $15 }' "/proc/$(node_pid "$1")/stat"; }
rss_kib_of() { awk '/^VmRSS/ { print $2 }' "/proc/$(node_pid "$1")/status"; }
metric() { # $1: node, $2: name
  curl -fsS "127.0.0.1:$((base_port + 2 + $1))/metrics" | awk -v name="$2" '$1 == name { print $2 + 0 }'
}

# What the nodes did during a command: processor shares in percent, messages, frames and syncs a
# second, the mean of the nodes.
watch() { # the command; sets cpu, messages, frames, syncs
  local node before=() after=() began ended
  snapshot() {
    for node in 1 2 3; do
      echo "$(ticks_of "$node") $(metric "$node" cairn_peer_messages_sent_total)" \
        "$(metric "$node" cairn_peer_requests_sent_total) $(metric "$node" cairn_store_syncs)"
    done
  }
  began=$(date +%s%N)
  mapfile -t before < <(snapshot)
  "$@"
  mapfile -t after < <(snapshot)
  ended=$(date +%s%N)
  read -r cpu messages frames syncs < <(
    printf '%s\n' "${before[@]}" "${after[@]}" | awk -v s="$(((ended - began) / 1000))" \
      -v hz="$(getconf CLK_TCK)" '
        { sign = NR <= 3 ? -1 : 1; for (i = 1; i <= 4; ++i) sum[i] += sign * $i }
        END { t = s / 1e6 * 3; printf "%.1f %.0f %.0f %.0f\n", sum[1] / hz / t * 100, sum[2] / t, sum[3] / t, sum[4] / t }')
}

rss_mib() { for node in 1 2 3; do rss_kib_of "$node"; done | sort -n | awk 'END { printf "%.0f", $1 / 1024 }'; }

# ---- The load ----------------------------------------------------------------------------------

create_logs() {
  seq "$logs" | xargs -P "$creators" -I '{}' "$bin/cairn" log create 'many-{}' >/dev/null
}

# A node opens its logs and elects, and the logs fall asleep, if they may.
settle() {
  local last=-1 now=0
  while [ "$now" != "$last" ]; do
    last=$now
    sleep 5
    now=$(metric 1 cairn_groups_hibernating)$(metric 2 cairn_store_syncs)
  done
}

# Appends to logs that rest: the µs of each, ascending.
wake_some() {
  local i
  for i in $(shuf -i "1-$logs" -n "$wakeups"); do
    echo x | "$bin/cairn" append "many-$i" -o json | sed -n 's/.*"records_per_s":\([0-9.]*\).*/\1/p'
  done | awk '$1 > 0 { printf "%.0f\n", 1e6 / $1 }' | sort -n
}

# $1: how many logs are busy.
load_logs() {
  local i
  for i in $(seq "$1"); do
    "$bin/cairn" bench append --log "many-$i" --rate 20 --in-flight 4 --size 128 \
      --duration "${busy_seconds}s" -o json >"$work/busy.$i" &
    pids+=($!)
  done
  wait "${pids[@]}"
  pids=()
}

# ---- The rows ----------------------------------------------------------------------------------

start_with() { # flags of the nodes
  CAIRN_ENDPOINTS=$(CAIRN_BIN=$bin scripts/cluster start --dir "$work/cluster" \
    --base-port "$base_port" -- "$@" | sed -n 's/^CAIRN_ENDPOINTS=//p')
  export CAIRN_ENDPOINTS
  create_logs
  settle
}

idle_row() { # $1: name
  watch sleep "$idle_seconds"
  echo "| $1 | $cpu | $(rss_mib) | $messages | $frames | $syncs |"
}

busy_row() { # $1: how many
  watch load_logs "$1"
  local rate
  rate=$(cat "$work"/busy.* | sed -n 's/.*"ops_per_s":\([0-9.]*\).*/\1/p' |
    awk '{ sum += $1 } END { printf "%.0f", sum }')
  rm -f "$work"/busy.*
  echo "| $1 busy, $rate appends/s | $cpu | $(rss_mib) | $messages | $frames | $syncs |"
}

{
  echo "| $logs logs | CPU of a node, % of a core | RSS, MiB | messages/s | frames/s | syncs/s |"
  echo "|---|---:|---:|---:|---:|---:|"
  start_with --hibernate-after-ms=0
  idle_row "idle, without hibernation"
  CAIRN_BIN=$bin scripts/cluster stop --dir "$work/cluster" >/dev/null
  start_with --log-level=info
  idle_row "idle"
  wake_some >"$work/wakes"
  for count in 1 20 200; do busy_row "$count"; done
  echo
  awk -v n="$wakeups" '{ us[NR] = $1 }
    END { printf "Wake-up: the first append to a log at rest took %.1f ms in the median, %.1f ms at p99 (%d logs).\n",
      us[int((NR + 1) / 2)] / 1000, us[int(NR * 0.99 + 0.5)] / 1000, n }' "$work/wakes"
  echo "CPU, messages, frames and syncs: mean of the three nodes; RSS: the largest. $(nproc) cores for clients and nodes," \
    "load average $(cut -d' ' -f1 /proc/loadavg) at the end; $(date -u +%F), commit $(git rev-parse --short=12 HEAD)."
} >"$out/results.md"
show_table many-logs
