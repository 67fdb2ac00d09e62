# shellcheck shell=bash
# What the comparisons of caches share: options, a cluster with agents, medians, the place of the
# table in docs/benchmarks.md. Sourced by redis.sh and memcached.sh behind scripts/common.sh.

# Sets rounds, base_port, out, docs and, of an option of the caller's own, $own_value.
# $1: the caller's own option, e.g. --requests; then the command line.
# shellcheck disable=SC2034
parse_options() {
  local own=$1
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --docs) docs=1 && shift && continue ;;
      --rounds | --base-port | --out | "$own") [ $# -ge 2 ] || { help >&2 && exit 2; } ;;
      *) help >&2 && exit 2 ;;
    esac
    case $1 in
      --rounds) rounds=$2 ;; --base-port) base_port=$2 ;; --out) out=$2 ;; *) own_value=$2 ;;
    esac
    shift 2
  done
}

# Sets bin, work and pids; what runs is stopped at the end.
begin_comparison() {
  local program
  bin=$(cairn_bin)
  for program in "$@"; do
    command -v "$program" >/dev/null || fail "$program is not installed: scripts/setup build"
  done
  mkdir -p "$out"
  work=$(mktemp -d "${TMPDIR:-/tmp}/cairn-compare-XXXXXX")
  pids=()
  trap end_comparison EXIT
  trap 'exit 130' INT TERM
}

end_comparison() {
  kill "${pids[@]}" 2>/dev/null || true
  CAIRN_BIN=$bin scripts/cluster stop --dir "$work/cluster" >/dev/null 2>&1 || true
  wait "${pids[@]}" 2>/dev/null || true
  rm -rf "$work"
}

# Of each node that start_cluster starts.
node_flags=()
start_cluster() {
  CAIRN_ENDPOINTS=$(CAIRN_BIN=$bin scripts/cluster start --dir "$work/cluster" --base-port "$base_port" -- "${node_flags[@]}" |
    sed -n 's/^CAIRN_ENDPOINTS=//p')
  export CAIRN_ENDPOINTS
}

proxy=$(command -v nutcracker || true)

# twemproxy, if it is installed: what any proxy costs. $1: its port, $2: the server's, $3: of its
# statistics; then lines of its configuration.
start_proxy() {
  if [ -z "$proxy" ]; then
    echo "twemproxy (package nutcracker) is not installed: its column stays empty" >&2
    return 0
  fi
  printf '%s\n' bench: "  listen: 127.0.0.1:$1" "  hash: fnv1a_64" "${@:4}" "  servers:" \
    "   - 127.0.0.1:$2:1" >"$work/proxy.yml"
  "$proxy" -c "$work/proxy.yml" -s "$3" >"$work/proxy.log" 2>&1 &
  pids+=($!)
}

# An awk function for tables.
# shellcheck disable=SC2034
readonly kMedian='
  function median(list,    v, n, i, j, t) {
    n = split(list, v, " ")
    if (n == 0) return ""
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; --j) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return v[int((n + 1) / 2)] + 0
  }'

# Prints the table, and with --docs puts it between the marks of this name.
show_table() {
  cat "$out/results.md"
  [ "$docs" = 1 ] || return 0
  awk -v table="$out/results.md" -v name="$1" '
    index($0, "<!-- " name ": end -->") { skip = 0 }
    !skip { print }
    index($0, "<!-- " name ": begin") { skip = 1; while ((getline line < table) > 0) print line }
  ' docs/benchmarks.md >"$work/benchmarks.md"
  grep -q "$1: begin" "$work/benchmarks.md" || fail "docs/benchmarks.md has no place for the table"
  cp "$work/benchmarks.md" docs/benchmarks.md
}
