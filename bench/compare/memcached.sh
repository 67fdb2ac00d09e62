#!/usr/bin/env bash
# Measures a memcached behind cairn-agent side by side with the same memcached alone, and behind
# twemproxy: on one machine, one after the other in alternating rounds, by memcaslap.
#
#   bench/compare/memcached.sh [--rounds N] [--seconds N] [--base-port P] [--out D] [--docs]
#
# A cluster of three nodes, an agent of the mode write-through, one of write-behind (each with an
# engine and a log of its own), a memcached alone and twemproxy in front of it run all the time; one
# of them is loaded at a time. Keys have 20 bytes and values 128. --out (default: build/compare-memcached) receives
# runs.tsv and results.md: medians, and ratios of medians to memcached alone, which --docs also puts
# into docs/benchmarks.md.
#
# Nothing else should run meanwhile: servers and load share the machine's cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

rounds=3 own_value=5 base_port=24700 out=build/compare-memcached docs=0
parse_options --seconds "$@"
readonly seconds=$own_value
begin_comparison memcached memcaslap

readonly alone=$((base_port + 20)) proxied=$((base_port + 21)) through=$((base_port + 22)) behind=$((base_port + 23))
port_of() {
  case "$1" in alone) echo "$alone" ;; proxied) echo "$proxied" ;; through) echo "$through" ;; behind) echo "$behind" ;; esac
}

# ---- Servers ------------------------------------------------------------------------------

takes_writes() {
  local reply
  exec {socket}<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'set ready 0 0 1\r\n1\r\n' >&"$socket"
  IFS= read -r -t 5 reply <&"$socket" || true
  exec {socket}>&-
  [ "${reply%$'\r'}" = STORED ]
} 2>/dev/null

start_agent() { # $1: port, $2: mode
  "$bin/cairn-agent" memcached --log "bench-$2" --listen "127.0.0.1:$1" --data-dir "$work/$2" \
    --metrics-listen "127.0.0.1:$(($1 + 10))" --mode "$2" --engine-cmd "memcached -m 1024" \
    --log-level warn >"$work/$2.log" 2>&1 &
  pids+=($!)
}

# memcached refuses to run as root unless it is told to.
user=()
[ "$UID" != 0 ] || user=(-u root)
memcached -p "$alone" -U 0 -l 127.0.0.1 -m 1024 "${user[@]}" >"$work/memcached.log" 2>&1 &
pids+=($!)
start_proxy "$proxied" "$alone" "$((base_port + 24))"
start_cluster
start_agent "$through" write-through
start_agent "$behind" write-behind
for port in "$alone" "$through" "$behind" ${proxy:+"$proxied"}; do
  await 30 takes_writes "$port" || fail "nothing takes writes on port $port"
done

# ---- Rows: name | share of sets | connections | systems --------------------------------------

rows() {
  cat <<'ROWS'
5 % sets, 50 connections|0.05|50
5 % sets, 200 connections|0.05|200
50 % sets, 50 connections|0.5|50
50 % sets, 200 connections|0.5|200
50 % sets, 400 connections|0.5|400
1 % sets, 50 connections|0.01|50
ROWS
}

# Errors that the agents' clients were told, whosever they were: refused, unknown, the engine's own;
# and what was refused to who wants no reply. 0 of a memcached.
errors_of() {
  [[ $1 != alone && $1 != proxied ]] || { echo 0 && return; }
  http_get $(($(port_of "$1") + 10)) /metrics |
    awk '$1 ~ /^cairn_agent_(error_replies|refused)_total$/ { sum += $2 } END { print sum + 0 }'
}

# What the load generator was told and complains of: replies that are errors (which it prints behind
# "<" and the connection's number), connections that fail, and misses of what it has stored.
load_errors() {
  cat "$work/load.out" "$work/load.err" | awk '
    /^<[0-9]+ / || tolower($0) ~ /fail|refused|reset|time ?out/ { ++sum }
    $1 == "get_misses:" { sum += $2 }
    END { print sum + 0 }'
}

# An error that both count is one.
larger() { echo $(($1 > $2 ? $1 : $2)); }

measure() { # $1: row, $2: share of sets, $3: connections, $4: system, $5: round
  local config=$work/load.cfg before
  printf 'key\n20 20 1\nvalue\n128 128 1\ncmd\n0 %s\n1 %s\n' "$2" "$(awk "BEGIN { print 1 - $2 }")" >"$config"
  before=$(errors_of "$4")
  timeout $((seconds + 60)) memcaslap -s "127.0.0.1:$(port_of "$4")" -c "$3" -T 1 -t "${seconds}s" \
    -S "$((seconds + 30))s" -F "$config" 2>"$work/load.err" | tr -d '\r' >"$work/load.out"
  awk -v row="$1" -v which="$4" -v round="$5" -v errors="$(larger $(($(errors_of "$4") - before)) "$(load_errors)")" '
    /^Total Statistics/ { total = 1 }
    total && $1 == "Avg:" { avg = $2 }
    total && $1 == "Std:" { std = $2; total = 0 }
    /^Run time:/ { for (i = 1; i < NF; ++i) if ($i == "TPS:") tps = $(i + 1) }
    END {
      if (tps == "" || avg == "") exit 1
      printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row, which, round, tps, avg, std, errors
    }' "$work/load.out" | tee -a "$out/runs.tsv" >&2 || fail "$1 on $4: memcaslap says nothing: $(cat "$work/load.err")"
}

: >"$out/runs.tsv"
for round in $(seq "$rounds"); do
  while IFS='|' read -r name sets connections; do
    for system in alone ${proxy:+proxied} behind through; do
      measure "$name" "$sets" "$connections" "$system" "$round"
    done
  done < <(rows)
done

# ---- The table -----------------------------------------------------------------------------

rows | awk -F'|' '{ print $1 }' >"$work/order"
awk -F'\t' "$kMedian"'
  FNR == NR { order[++count] = $1; next }
  { key = $1 SUBSEP $2
    rate[key] = rate[key] " " $4; avg[key] = avg[key] " " $5; std[key] = std[key] " " $6; errors[key] += $7 }
  function cell(row, which,    key, r) {
    key = row SUBSEP which
    if (!(key in rate)) return " | | "
    r = median(rate[key])
    return sprintf("%.1f (%.2f) | %.2f ± %.2f | %d", r / 1000, r / median(rate[row SUBSEP "alone"]), median(avg[key]) / 1000, median(std[key]) / 1000, errors[key])
  }
  END {
    print "| | memcached alone, k/s | latency ms | errors | twemproxy | | | write-behind | | | write-through | | |"
    print "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for (i = 1; i <= count; ++i)
      printf "| %s | %s | %s | %s | %s |\n", order[i], cell(order[i], "alone"), cell(order[i], "proxied"), cell(order[i], "behind"), cell(order[i], "through")
  }' "$work/order" "$out/runs.tsv" >"$out/results.md"
{
  echo
  echo "Medians of $rounds alternating rounds of $seconds s: thousands of requests a second (ratio to memcached alone), average latency ± standard deviation; 20 B keys, 128 B values; $(nproc) cores for load, engines, agents and the three nodes; $(memcached -V); $(date -u +%F), commit $(git describe --always --abbrev=12)."
} >>"$out/results.md"
show_table memcached
