#!/usr/bin/env bash
# Runs `evolink run` with the inputs of the action. They arrive in the environment and are used as whole words only:
# nothing in them is ever read as shell.
set -euo pipefail

fail() {
  printf '::error title=evolink::%s\n' "$1" >&2
  exit 2
}

# Appends each line that is not empty to the array of that name; blanks around it and a final CR do not count.
read_lines() {
  local -n list=$1
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    line=${line#"${line%%[![:space:]]*}"}
    line=${line%"${line##*[![:space:]]}"}
    if [ -n "$line" ]; then list+=("$line"); fi
  done <<<"$2"
}

files=() args=() reports=()
read_lines files "${INPUT_FILES:-}"
read_lines args "${INPUT_ARGS:-}"
read_lines reports "${INPUT_REPORT:-}"

[ "${#files[@]}" -gt 0 ] || fail 'the input "files" names no job file'
[[ -z ${INPUT_SHARD:-} || $INPUT_SHARD =~ ^[0-9]+/[0-9]+$ ]] || fail 'the input "shard" must look like 2/4'

command=(run)
if [ -n "${INPUT_SHARD:-}" ]; then command+=("--shard=$INPUT_SHARD"); fi
for report in "${reports[@]}"; do command+=("--report=$report"); done
command+=("${args[@]}" -- "${files[@]}")

# By its path: the project may have a program of that name.
exec node "${RUNNER_TEMP:?}/evolink-cli/bin/evolink.js" "${command[@]}"
