# shellcheck shell=bash disable=SC2154  # Variables of run.sh.
# Clusters for bench/compare/run.sh: start, ready, leader, kill one, restart it, stop. Sourced
# behind scripts/common.sh; uses bin, made_dir and base_port, and keeps `pids`, by which
# everything is ended, and by which the servers' CPU and memory are read.

readonly kReadySeconds=30

stop_pids() {  # PID…: at once, since the data is thrown away.
  local pid
  for pid in "$@"; do kill -KILL "$pid" 2>/dev/null || true; done
  for pid in "$@"; do await 10 is_gone "$pid" || fail "process $pid cannot be killed"; done
}
is_gone() { ! is_running "$1"; }

# started INDEX PID — a server runs. Disowned, so that the shell does not announce its killing.
started() {
  pids[$1]=$2
  disown "$2"
}

stop_cluster() {
  stop_pids "${pids[@]}"
  pids=()
  rm -rf "${made_dir:?}"/*
}

machine() {
  local model kernel filesystem
  model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
  kernel=$(uname -r | cut -d. -f1,2)
  filesystem=$(df --output=fstype "${dir:-${TMPDIR:-/tmp}}" | tail -1)
  echo "$(nproc) x $model, $(awk '/MemTotal/ { printf "%d", $2 / 1048576 }' /proc/meminfo) GiB," \
    "Linux $kernel, data on $filesystem; $(date -u +%F), $(etcd --version | head -1)"
}

# ---- CPU and memory of the servers --------------------------------------------------------

# Microseconds of CPU that the servers have used. Fields 14 and 15 of stat, behind the name.
server_cpu_us() {
  local pid ticks=0 fields
  for pid in "${pids[@]}"; do
    fields=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null) || continue
    # shellcheck disable=SC2086
    set -- $fields
    ticks=$((ticks + ${12} + ${13}))
  done
  echo $((ticks * 1000000 / $(getconf CLK_TCK)))
}

# MiB that the largest server holds.
largest_rss_mib() {
  local pid
  for pid in "${pids[@]}"; do sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"; done |
    sort -n | tail -1 | awk '{ printf "%.1f", $1 / 1024 }'
}

# ---- etcd ---------------------------------------------------------------------------------

etcd_client() { echo "127.0.0.1:$((base_port + $1))"; }
etcd_peer() { echo "http://127.0.0.1:$((base_port + 10 + $1))"; }
etcd_endpoints() { echo "$(etcd_client 1),$(etcd_client 2),$(etcd_client 3)"; }

launch_etcd() {
  etcd --name "n$1" --data-dir "$made_dir/n$1" --logger=zap --log-level=error \
    --listen-client-urls "http://$(etcd_client "$1")" \
    --advertise-client-urls "http://$(etcd_client "$1")" \
    --listen-peer-urls "$(etcd_peer "$1")" --initial-advertise-peer-urls "$(etcd_peer "$1")" \
    --initial-cluster "n1=$(etcd_peer 1),n2=$(etcd_peer 2),n3=$(etcd_peer 3)" \
    --initial-cluster-state new >>"$made_dir/n$1.log" 2>&1 &
  started $(($1 - 1)) $!
}

# The number of the node that leads; fails while none does.
etcd_leader() {
  local endpoint
  endpoint=$("$bin/etcd_load" leader --endpoints "$(etcd_endpoints)") || return 1
  echo $((${endpoint##*:} - base_port))
}

start_etcd() {
  local i
  for i in 1 2 3; do launch_etcd "$i"; done
  await "$kReadySeconds" etcd_leader >/dev/null || fail "etcd does not elect a leader"
}

# ---- Cairn --------------------------------------------------------------------------------

cairn_address() { echo "127.0.0.1:$((base_port + 20 + $1))"; }
cairn_http() { echo $((base_port + 30 + $1)); }
cairn_endpoints() { echo "$(cairn_address 1),$(cairn_address 2),$(cairn_address 3)"; }
cairn_is_ready() { http_get "$(cairn_http "$1")" /readyz >/dev/null; }

launch_cairn() {
  "$bin/cairnd" --name "n$1" --data-dir "$made_dir/n$1" \
    --http-listen "127.0.0.1:$(cairn_http "$1")" \
    --initial-cluster "n1=$(cairn_address 1),n2=$(cairn_address 2),n3=$(cairn_address 3)" \
    >>"$made_dir/n$1.log" 2>&1 &
  started $(($1 - 1)) $!
}

cairn_await_ready() {
  local i
  for i in 1 2 3; do
    await "$kReadySeconds" cairn_is_ready "$i" && continue
    tail -n 5 "$made_dir/n$i.log" >&2
    fail "cairnd n$i is not ready"
  done
}

# Number of the node that leads a log: node ids follow the names.
cairn_leader() {  # $1: log
  "$bin/cairn" log describe "$1" -o json | sed -n 's/.*"leader_node_id":\([1-3]\).*/\1/p'
}

start_cairn() {
  local i
  for i in 1 2 3; do launch_cairn "$i"; done
  CAIRN_ENDPOINTS=$(cairn_endpoints)
  export CAIRN_ENDPOINTS
  cairn_await_ready
}
