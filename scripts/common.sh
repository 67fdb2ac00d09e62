# shellcheck shell=bash
# Shared by the scripts of this folder; to be sourced by bash, with the project's root as
# working directory. Only what a minimal Debian has: no curl, no jq, no python.

# fail MESSAGE… — says what is wrong and ends the script with code 1.
fail() {
  echo "${0#"$PWD"/}: $*" >&2
  exit 1
}

# help — prints the comment that the script opens with.
help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# Where the programs are: $CAIRN_BIN, else the release build's folder.
cairn_bin() { echo "${CAIRN_BIN:-$PWD/build/release/bin}"; }

readonly kPrograms="cairnd cairn cairn-agent"

# ensure_programs — builds the programs into build/release unless they are there, or unless
# $CAIRN_BIN says where they are.
ensure_programs() {
  local bin program missing=''
  bin=$(cairn_bin)
  for program in $kPrograms; do [ -x "$bin/$program" ] || missing+=" $program"; done
  [ -n "$missing" ] || return 0
  [ -z "${CAIRN_BIN:-}" ] || fail "not in CAIRN_BIN=$CAIRN_BIN:$missing"
  build_programs
}

# configure PRESET [CMAKE_ARGUMENT…] — makes or updates build/PRESET.
configure() { cmake --preset "$@" >/dev/null; }

# build_programs — installs what is missing and brings build/release up to date.
build_programs() {
  scripts/setup build >&2
  echo "Building $kPrograms in build/release" >&2
  configure release
  # shellcheck disable=SC2086
  cmake --build --preset release --target $kPrograms >&2
}

# now_ms — milliseconds since 1970.
now_ms() {
  local us=${EPOCHREALTIME/[.,]/}
  echo "${us%???}"
}

# is_running PID — whether the process exists and is not a zombie.
is_running() {
  local state
  state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
  [ -n "$state" ] && [ "$state" != Z ]
}

# await SECONDS COMMAND… — runs the command every 50 ms until it succeeds; 1 when time is up.
await() {
  local deadline=$(($(now_ms) + $1 * 1000))
  shift
  until "$@"; do
    [ "$(now_ms)" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}

# http_get PORT PATH — prints the body; returns 0 only for status 200.
http_get() {
  local port=$1 path=$2 status line in_body=0
  exec {socket}<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$path" >&"$socket"
  read -r -t 2 -u "$socket" _ status _ || { exec {socket}>&-; return 1; }
  while IFS= read -r -t 2 -u "$socket" line; do
    line=${line%$'\r'}
    if [ "$in_body" = 1 ]; then
      printf '%s\n' "$line"
    elif [ -z "$line" ]; then
      in_body=1
    fi
  done
  exec {socket}>&-
  [ "$status" = 200 ]
} 2>/dev/null

# buf ARGUMENT… — the linter of protos, from npm. has_buf — whether npm can get it.
buf() { npm exec --yes --package=@bufbuild/buf@1.75.0 -- buf "$@"; }
has_buf() { timeout 60 npm exec --yes --package=@bufbuild/buf@1.75.0 -- buf --version >/dev/null 2>&1; }
