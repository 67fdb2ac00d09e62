# shellcheck shell=bash disable=SC2154  # Variables of run.sh.
# What bench/compare/run.sh measures: one function per system, and the table of rows.

# NAME|TITLE|FIGURE|UNIT|COMPARED|BAR. FIGURE is a field of the report, or the difference of two.
# COMPARED says what BAR bounds: the figure itself (<= or >=) or its ratio to etcd's (ratio<=,
# ratio>=); `-`: nothing.
rows() {
  cat <<'ROWS'
append-1|unary append, 128 B, 1 in flight: p50|p50_us|µs|ratio<=|0.75
append-64|unary append, 128 B, 64 in flight|ops_per_s|/s|ratio>=|2
append-1000|unary append, 128 B, 1000 in flight|ops_per_s|/s|ratio>=|2
cas-64|compare-and-append, 128 B, 64 clients|ops_per_s|/s|ratio>=|3
producer-128|producer, 128 B|ops_per_s|/s|>=|300000
producer-4k|producer, 4 KiB|mb_per_s|MB/s|>=|100
producer-128-half|producer, 128 B at 150 k/s: p99|p99_us|µs|<=|25000
producer-4k-half|producer, 4 KiB at 50 MB/s: p99|p99_us|µs|<=|25000
cas-pipelined|pipelined conditional appends, one writer|ops_per_s|/s|>=|50000
tail-live|tail, live: delivery behind commit, p50|p50_us-commit_p50_us|µs|<=|300
tail-replay|tail, replay of 1 GiB in 1 KiB records|mb_per_s|MB/s|>=|300
gap-kill|longest gap, leader killed with -9|longest_gap_ms|ms|ratio<=|0.25
gap-transfer|longest gap, planned transfer|longest_gap_ms|ms|<=|100
memory-idle|largest node, idle with 1 Mi records of 1 KiB|rss_mib|MiB|<=|300
memory-overload|largest node with 512 MiB of appends pressing on it|rss_mib|MiB|-|
echo-1|bare gRPC echo, 128 B, 1 in flight: p50|p50_us|µs|-|
echo-64|bare gRPC echo, 128 B, 64 in flight|ops_per_s|/s|-|
echo-1000|bare gRPC echo, 128 B, 1000 in flight|ops_per_s|/s|-|
ROWS
}

wanted() { [[ "$1" =~ $only ]]; }

# One line of runs.tsv. $1: row, $2: system, $3: server CPU in µs, $4: JSON
record() {
  printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$round" "$3" "$4" >>"$out/runs.tsv"
}

# A field of a JSON line.
field() { sed -n "s/.*\"$2\":\([-0-9.e+]*\).*/\1/p" <<<"$1"; }

# measure ROW SYSTEM COMMAND… — runs a load that prints one line of JSON. A failed run is
# reported and left out; it does not end the comparison.
measure() {
  local row=$1 system=$2 before json
  wanted "$row" || return 0
  shift 2
  before=$(server_cpu_us)
  json=$("$@") || { echo "$system $row failed: $json" >&2; return 0; }
  record "$row" "$system" $(($(server_cpu_us) - before)) "$json"
  echo "$system $row round $round: $(field "$json" ops_per_s)/s," \
    "p50 $(field "$json" p50_us) µs, p99 $(field "$json" p99_us) µs" >&2
}

timing() { echo --duration "${seconds}s" --warmup "${warmup_seconds}s"; }

# ---- Bare gRPC ----------------------------------------------------------------------------

run_echo() {
  wanted "echo-1 echo-64 echo-1000" || return 0
  local n
  "$bin/grpc_echo" serve "$base_port" &
  started 0 $!
  for n in 1 64 1000; do
    # shellcheck disable=SC2046
    measure echo-$n echo "$bin/grpc_echo" load --endpoints "127.0.0.1:$base_port" \
      --in-flight $n --connections "${CAIRN_CONNECTIONS:-1}" $(timing)
  done
  stop_cluster
}

# ---- etcd ---------------------------------------------------------------------------------

# shellcheck disable=SC2046
run_etcd() {
  wanted "append-1 append-64 append-1000 cas-64 gap-kill" || return 0
  local n connections=()
  [ -z "${ETCD_CONNECTIONS:-}" ] || connections=(--connections "$ETCD_CONNECTIONS")
  start_etcd
  for n in 1 64 1000; do
    measure append-$n etcd "$bin/etcd_load" put --endpoints "$(etcd_endpoints)" --in-flight $n \
      $(timing) "${connections[@]}"
  done
  measure cas-64 etcd "$bin/etcd_load" cas --endpoints "$(etcd_endpoints)" --in-flight 64 \
    $(timing) "${connections[@]}"
  measure_gap gap-kill etcd kill_etcd_leader "$bin/etcd_load" put \
    --endpoints "$(etcd_endpoints)" --call-timeout 100ms
  stop_cluster
}

kill_etcd_leader() { kill -KILL "${pids[$(etcd_leader) - 1]}"; }

# ---- Cairn --------------------------------------------------------------------------------

run_cairn() {
  start_cairn
  run_cairn_appends
  run_cairn_producers
  run_cairn_tails
  measure_gap gap-transfer cairn transfer_cairn_leader "$bin/cairn" bench append --log gap
  run_cairn_memory
  # Last, since a node is missing behind it.
  measure_gap gap-kill cairn kill_cairn_leader "$bin/cairn" bench append --log gap
  stop_cluster
}

# shellcheck disable=SC2046
run_cairn_appends() {
  local n
  for n in 1 64 1000; do
    measure append-$n cairn "$bin/cairn" bench append --in-flight $n $(timing) \
      --connections "${CAIRN_CONNECTIONS:-1}" -o json
  done
  measure cas-64 cairn "$bin/cairn" bench cas --log cas --clients 64 $(timing) -o json
  measure cas-pipelined cairn "$bin/cairn" bench cas --log pipelined --producer \
    --in-flight 10000 $(timing) -o json
}

# shellcheck disable=SC2046
run_cairn_producers() {
  local producer=("$bin/cairn" bench append --producer -o json)
  measure producer-128-half cairn "${producer[@]}" --in-flight 50000 --rate 150000 $(timing)
  measure producer-4k-half cairn "${producer[@]}" --size 4096 --in-flight 10000 --rate 12207 \
    $(timing)
  measure producer-128 cairn "${producer[@]}" --in-flight 20000 $(timing)
  # A node makes its log files in the first gigabyte that it writes, and reuses them from then on.
  measure producer-4k cairn "${producer[@]}" --size 4096 --in-flight 4000 \
    --duration "${seconds}s" --warmup 10s
}

# shellcheck disable=SC2046
run_cairn_tails() {
  measure tail-live cairn "$bin/cairn" bench tail --log live $(timing) -o json
  wanted "tail-replay memory-idle" || return 0
  fill_cairn
  measure tail-replay cairn "$bin/cairn" bench tail --log filled --replay -o json
}

# 1,048,576 records of 1 KiB that do not compress.
fill_cairn() {
  head -c $((64 << 20)) /dev/urandom >"$made_dir/fill"
  for _ in {1..16}; do cat "$made_dir/fill"; done |
    { "$bin/cairn" log create filled >&2 && "$bin/cairn" append filled --chunk-bytes 1KiB >&2; }
  rm "$made_dir/fill"
}

run_cairn_memory() {
  if wanted memory-idle; then
    sleep 10  # Idle is what is measured: by then a node has given back what it can.
    record memory-idle cairn 0 "{\"rss_mib\":$(largest_rss_mib)}"
  fi
  wanted memory-overload || return 0
  measure_overload
}

# Keeps 512 MiB of appends pressing on the nodes, many times what they let in, and looks ten
# times a second at how large they grow.
measure_overload() {
  local largest=0 now
  "$bin/cairn" bench append --log overload --size 64KiB --clients 8 --in-flight 1000 \
    --timeout 20s --duration 6s --warmup 0s -o json >"$made_dir/overload.json" &
  local load=$!
  while is_running "$load"; do
    now=$(largest_rss_mib)
    largest=$(awk -v a="$largest" -v b="$now" 'BEGIN { print (a > b ? a : b) }')
    sleep 0.1
  done
  wait "$load" || true
  record memory-overload cairn 0 "{\"rss_mib\":$largest,$(sed 's/^{//' "$made_dir/overload.json")"
}

kill_cairn_leader() { kill -KILL "${pids[$(cairn_leader gap) - 1]}"; }
transfer_cairn_leader() { "$bin/cairn" cluster transfer gap >/dev/null; }

# ---- Failover -----------------------------------------------------------------------------

# measure_gap ROW SYSTEM DISTURB LOAD… — four appends in flight for six seconds, the same on both
# systems; DISTURB strikes two seconds into it.
measure_gap() {
  local row=$1 system=$2 disturb=$3
  wanted "$row" || return 0
  shift 3
  local format=(-o json)
  [ "$system" = cairn ] || format=()
  "$@" --in-flight 4 --duration 6s --warmup 500ms --gap "${format[@]}" >"$made_dir/gap.json" &
  local load=$!
  sleep 2.5
  "$disturb" || fail "$row: no leader to strike"
  wait "$load" || true
  record "$row" "$system" 0 "$(cat "$made_dir/gap.json")"
  echo "$system $row round $round: $(field "$(cat "$made_dir/gap.json")" longest_gap_ms) ms" >&2
}
