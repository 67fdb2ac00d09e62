#!/usr/bin/env bash
# Shows and times the archive: a log is archived to a directory and to an S3 (s3rver, from npm), is
# read back from there when it is trimmed, its cluster is wiped and made again from the archive
# alone; the chains must be equal.
#
#   bench/compare/archive.sh [--mib N] [--base-port P] [--out D] [--docs]
#
# Each time a cluster of three nodes takes a log of --mib MiB (default: 5120) of records of 1 KiB.
# --out (default: build/compare-archive) receives runs.tsv and results.md, which --docs also puts
# into docs/benchmarks.md. It needs eight times as much room below $TMPDIR, and nothing else should
# run meanwhile: nodes, store and load share the machine's cores and disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. bench/compare/caches.sh

# shellcheck disable=SC2034
rounds=1 own_value=5120 base_port=25300 out=build/compare-archive docs=0
parse_options --mib "$@"
readonly mib=$own_value
begin_comparison awk npm

start_with() { # cairnd's flags
  node_flags=("$@")
  start_cluster
}
wipe() { CAIRN_BIN=$bin scripts/cluster stop --dir "$work/cluster" >/dev/null; }
described() { # $1: a field of the log, a number or a text
  "$bin/cairn" log describe big --linearizable -o json | sed -n "s/.*\"$1\":\"\\?\\([0-9a-f]*\\).*/\\1/p"
}
is_archived() { [ "$(described archived_seq)" = "$(described last_seq)" ]; }
checksum() { "$bin/cairn" read big --checksum --timeout 2h -o json | sed -n 's/.*"checksum":"\([0-9a-f]*\).*/\1/p'; }
took() { # $1: name of the variable for the milliseconds; then a command
  local begin
  begin=$(now_ms)
  "${@:2}" >"$work/told" || fail "$2 $3 $4 failed: $(tail -n 3 "$work/told")"
  printf -v "$1" %s "$(($(now_ms) - begin))"
}
fill() { head -c "$((mib * 1048576))" /dev/urandom | "$bin/cairn" append big --chunk-bytes 1024 --timeout 2h; }

one_store() { # $1: its name, $2: its URL
  local append=0 rest=0 local_read=0 archive_read=0 verify=0 restore=0
  start_with --archive-url "$2" --archive-logs all
  "$bin/cairn" log create big >/dev/null
  took append fill
  took rest await 3600 is_archived
  local chain last sum
  chain=$(described chain) last=$(described last_seq)
  took local_read checksum && sum=$(cat "$work/told")
  "$bin/cairn" log trim big --first-seq "$((last + 1))" >/dev/null
  took archive_read checksum
  [ "$sum" = "$(cat "$work/told")" ] || fail "$1: what is read from the archive is not what was appended"
  took verify "$bin/cairn" archive verify --url "$2"
  wipe
  start_with
  took restore "$bin/cairn" archive restore --url "$2" --timeout 2h
  [ "$chain $last" = "$(described chain) $(described last_seq)" ] || fail "$1: the chains differ"
  echo "$1: $last records, chain $chain, before and after" >&2
  wipe
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$append" "$rest" "$local_read" "$archive_read" \
    "$verify" "$restore" | tee -a "$out/runs.tsv" >&2
}

: >"$out/runs.tsv"
mkdir "$work/store" "$work/s3"
one_store directory "file://$work/store"
rm -rf "$work/store"

s3rver=$(npm exec --yes --package=s3rver@3.7.1 -c 'command -v s3rver')
"$s3rver" -d "$work/s3" -a 127.0.0.1 -p "$((base_port + 50))" -s --configure-bucket logs >"$work/s3.log" 2>&1 &
pids+=($!)
export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
await 60 grep -q listening "$work/s3.log" || fail "s3rver did not start: $(cat "$work/s3.log")"
one_store "S3 (s3rver)" "s3://logs/archive?endpoint=http://127.0.0.1:$((base_port + 50))"

{
  echo "| MB/s | directory | S3 (s3rver) |"
  echo "|---|---:|---:|"
  awk -F'\t' -v mib="$mib" '
    function rate(ms) { return mib * 1.048576 / (ms / 1000) }
    { append[NR] = rate($2); whole[NR] = rate($2 + $3); read[NR] = rate($4)
      archived[NR] = rate($5); verify[NR] = rate($6); restore[NR] = rate($7) }
    function row(what, of) { printf "| %s | %d | %d |\n", what, of[1], of[2] }
    END {
      row("append, and archived meanwhile", append)
      row("append, until all of it is archived and read back", whole)
      row("read from the nodes", read)
      row("read from the archive, all of it trimmed", archived)
      row("`cairn archive verify`", verify)
      row("`cairn archive restore` into a new cluster", restore)
    }' "$out/runs.tsv"
  echo
  echo "A log of $mib MiB in records of 1 KiB, three nodes, store and load on $(nproc) cores; chains equal before and after each wipe; $(date -u +%F), commit $(git describe --always --abbrev=12)."
} >"$out/results.md"
show_table archive
