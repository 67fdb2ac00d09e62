#!/usr/bin/env bash
# Measures what TLS, rights and quotas cost a log: a cluster of three nodes in clear and one with
# certificates on one machine (`scripts/cluster start --tls`), loaded one after the other in
# alternating rounds. Rights: the policy is on, and the client shows a token. Quotas: the log has two
# that are never reached.
#
#   bench/compare/costs.sh [--rounds N] [--seconds N] [--base-port P] [--out D] [--docs]
#
# Rows: a Producer with records of 128 bytes and of 4 KiB, and unary appends, 64 under way. --out
# (default: build/compare-costs) receives runs.tsv (row, system, round, records per second, p50 and
# p99 in µs, CPU of the nodes and the client for a record in µs) and results.md: medians, and the
# medians of the rounds' ratios, which other load of the machine moves less than the figures, and of
# CPU less than of throughput; --docs also puts it into docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

rounds=5 own_value=5 base_port=25600 out=build/compare-costs docs=0
parse_options --seconds "$@"
readonly seconds=$own_value
begin_comparison openssl

# ---- Two clusters ---------------------------------------------------------------------------

end_both() {
  CAIRN_BIN=$bin scripts/cluster stop --dir "$work/tls" >/dev/null 2>&1 || true
  end_comparison
}
trap end_both EXIT

start_cluster
clear=$CAIRN_ENDPOINTS
mapfile -t secure < <(CAIRN_BIN=$bin scripts/cluster start --tls --dir "$work/tls" \
  --base-port "$((base_port + 20))" | grep '^CAIRN_')
"$bin/cairn" auth principal add bench >/dev/null
"$bin/cairn" auth grant bench '*' all >/dev/null
"$bin/cairn" auth token create bench --out "$work/token" >/dev/null
export CAIRN_TOKEN_FILE=$work/token
# What is appended must not fill the disk.
readonly keep=(--retention-bytes 256MiB)
"$bin/cairn" log create bench "${keep[@]}" >/dev/null
"$bin/cairn" log create limited "${keep[@]}" --append-bytes-per-second 1TiB \
  --appends-per-second 1000000000 >/dev/null
env -u CAIRN_TOKEN_FILE "${secure[@]}" "$bin/cairn" log create bench "${keep[@]}" >/dev/null

# ---- Rows: name | options of `cairn bench append` --------------------------------------------

rows() {
  cat <<'ROWS'
Producer, 128 B|--producer --in-flight 10000 --size 128
Producer, 4 KiB|--producer --in-flight 2000 --size 4096
Unary, 64 under way, 128 B|--in-flight 64 --size 128
ROWS
}

# CPU that the nodes below a directory and all programs of this script have used, in µs.
cpu_us() { # $1: directory of the cluster
  local node ticks
  ticks=$(awk '{ print $16 + $17 }' "/proc/$$/stat")
  for node in n1 n2 n3; do
    ticks=$((ticks + $(sed 's/.*) //' "/proc/$(cat "$1/$node.pid")/stat" | awk '{ print $12 + $13 }')))
  done
  echo $((ticks * 1000000 / $(getconf CLK_TCK)))
}

measure() { # $1: row, $2: system, $3: round, then options
  local environment=("CAIRN_ENDPOINTS=$clear") token=(-u CAIRN_TOKEN_FILE) log=bench told field line before used
  local nodes=$work/cluster
  case $2 in
    tls) environment=("${secure[@]}") nodes=$work/tls ;;
    rights) token=() ;;
    quotas) log=limited ;;
  esac
  [ "$2" != rights ] || "$bin/cairn" auth enable >/dev/null
  before=$(cpu_us "$nodes")
  told=$(env "${token[@]}" "${environment[@]}" "$bin/cairn" bench append --log "$log" \
    --duration "${seconds}s" --warmup 0s -o json "${@:4}")
  used=$(($(cpu_us "$nodes") - before))
  [ "$2" != rights ] || "$bin/cairn" auth disable >/dev/null
  line=$1$'\t'$2$'\t'$3
  for field in ops_per_s p50_us p99_us; do
    line+=$'\t'$(sed -n 's/.*"'"$field"'":\([0-9.]*\).*/\1/p' <<<"$told")
  done
  line+=$'\t'$(sed -n 's/.*"ops":\([0-9]*\).*/\1/p' <<<"$told" | awk -v us="$used" '{ printf "%.3f", us / $1 }')
  tee -a "$out/runs.tsv" <<<"$line" >&2
}

: >"$out/runs.tsv"
for round in $(seq "$rounds"); do
  # Each is first in some rounds and last in others.
  order='clear tls rights quotas'
  [ $((round % 2)) = 1 ] || order='quotas rights tls clear'
  while IFS='|' read -r name options; do
    # shellcheck disable=SC2086
    for system in $order; do measure "$name" "$system" "$round" $options; done
  done < <(rows)
done

# ---- The table -----------------------------------------------------------------------------

rows | awk -F'|' '{ print $1 }' >"$work/order"
awk -F'\t' "$kMedian"'
  FNR == NR { order[++count] = $1; next }
  { key = $1 SUBSEP $2; at[key, $3] = $4; cpu[key, $3] = $7
    if ($3 > rounds) rounds = $3
    rate[key] = rate[key] " " $4; p50[key] = p50[key] " " $5; p99[key] = p99[key] " " $6 }
  function ratio(row, way,    ratios, r) {
    for (r = 1; r <= rounds; ++r) ratios = ratios " " at[row SUBSEP way, r] / at[row SUBSEP "clear", r]
    return median(ratios)
  }
  function both(row, way,    ratios, r) {
    for (r = 1; r <= rounds; ++r) ratios = ratios " " cpu[row SUBSEP way, r] / cpu[row SUBSEP "clear", r]
    return sprintf("%.2f / %.2f", ratio(row, way), median(ratios))
  }
  END {
    print "| | in clear, k/s | p50 / p99 ms | with TLS | with rights | with quotas |"
    print "|---|---:|---:|---:|---:|---:|"
    for (i = 1; i <= count; ++i) {
      row = order[i]; key = row SUBSEP "clear"
      printf "| %s | %.1f | %.2f / %.2f | %s | %s | %s |\n", row, median(rate[key]) / 1000,
        median(p50[key]) / 1000, median(p99[key]) / 1000, both(row, "tls"), both(row, "rights"),
        both(row, "quotas")
    }
  }' "$work/order" "$out/runs.tsv" >"$out/results.md"
{
  echo
  echo "Medians of $rounds rounds of $seconds s each, and of the rounds' ratios; $(nproc) cores for clients and nodes, load" \
    "average $(cut -d' ' -f1 /proc/loadavg) at the end; $(openssl version | cut -d' ' -f1-2); $(date -u +%F)," \
    "commit $(git rev-parse --short=12 HEAD)."
} >>"$out/results.md"
show_table costs
