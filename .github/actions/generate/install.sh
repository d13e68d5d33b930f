#!/usr/bin/env bash
# Packs the tool from a checkout and installs it apart from the project, so that no package of the project can take its
# place. Nothing is asked of the registry but what the lock file of the checkout names, no package runs a script, and the
# API key is not in the environment. The package holds all that it needs.
set -euo pipefail
unset EVOLINK_API_KEY EVOLINK_API_KEY_FILE

fail() {
  printf '::error title=evolink::%s\n' "$1" >&2
  exit 2
}

home="${RUNNER_TEMP:?}/evolink-cli"
build=$(mktemp -d "$RUNNER_TEMP/evolink-build.XXXXXX")
trap 'rm -rf "$build"' EXIT

source=$(cd "${GITHUB_ACTION_PATH:?}/../../.." && pwd)
if [ -n "${INPUT_PATH:-}" ] && [ -n "${INPUT_VERSION:-}" ]; then fail 'the inputs "path" and "version" exclude each other'; fi
if [ -n "${INPUT_PATH:-}" ]; then source=$INPUT_PATH; fi
if [ -n "${INPUT_VERSION:-}" ]; then
  [[ $INPUT_VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail 'the input "version" must look like 1.2.3'
  [ -n "${ACTION_REPOSITORY:-}" ] || fail 'the input "version" needs the action of a repository; name a "path" instead'
  source="$build/checkout"
  git clone --quiet --depth 1 --branch "v$INPUT_VERSION" -- "${GITHUB_SERVER_URL:?}/$ACTION_REPOSITORY" "$source"
fi
[ -f "$source/package-lock.json" ] || fail "no package-lock.json in $source: \"path\" must name a checkout of the tool"

# The checkout may lie in the workspace: it stays as it is.
mkdir -p "$build/tool" "$home"
tar -C "$source" -cf - --exclude=./node_modules --exclude=./dist --exclude=./.git . | tar -C "$build/tool" -xf -
(
  cd "$build/tool"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  npm run --silent build
  tarball=$(npm pack --silent --ignore-scripts --pack-destination "$build" | tail -n 1)
  tar -C "$home" -xzf "$build/$tarball" --strip-components=1
) >&2

# For the steps that come later.
mkdir -p "$home/command"
# shellcheck disable=SC2016
printf '#!/bin/sh\nexec node "${0%%/*}/../bin/evolink.js" "$@"\n' >"$home/command/evolink"
chmod +x "$home/command/evolink"
printf '%s\n' "$home/command" >>"${GITHUB_PATH:?}"
