# shellcheck shell=bash
# Steps with a tick and their time, for a person who watches. Sourced after common.sh.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  UI_GOOD=$'\e[32m' UI_BAD=$'\e[31m' UI_DIM=$'\e[2m' UI_BOLD=$'\e[1m' UI_OFF=$'\e[0m'
else
  UI_GOOD='' UI_BAD='' UI_DIM='' UI_BOLD='' UI_OFF=''
fi

# A step's own output goes aside, so a failure is told through a descriptor of its own.
exec {UI_STDERR}>&2

ui_title() { printf '\n%s%s%s\n' "$UI_BOLD" "$*" "$UI_OFF"; }
ui_note() { printf '  %s%s%s\n' "$UI_DIM" "$*" "$UI_OFF"; }

# seconds_since START: START is $EPOCHREALTIME.
seconds_since() {
  local now=$EPOCHREALTIME
  local micro=$((${now/[.,]/} - ${1/[.,]/}))
  printf '%d.%02d s' $((micro / 1000000)) $((micro % 1000000 / 10000))
}

# ui_step LABEL FUNCTION [ARG…]: runs it in this shell with its output kept aside. What it leaves
# in $DETAIL is shown. A failure shows the output and ends the script.
ui_step() {
  local label=$1 started=$EPOCHREALTIME log=$DEMO_DIR/step.log
  shift
  DETAIL=''
  mkdir -p "$DEMO_DIR"
  UI_CURRENT=$label UI_LOG=$log
  "$@" >"$log" 2>&1
  UI_CURRENT=''
  ui_tick "$label" "$DETAIL" "$(seconds_since "$started")"
}

ui_tick() {  # LABEL DETAIL TIME
  printf '  %s✔%s %-34s %s  %s%s%s\n' "$UI_GOOD" "$UI_OFF" "$1" "$2" "$UI_DIM" "$3" "$UI_OFF"
}

# For trap EXIT: a step that failed says so and shows what it printed.
ui_failed_step() {
  [ -n "${UI_CURRENT:-}" ] || return 0
  printf '  %s✘ %s failed:%s\n' "$UI_BAD" "$UI_CURRENT" "$UI_OFF" >&"$UI_STDERR"
  tail -n 20 -- "$UI_LOG" >&"$UI_STDERR" || true
}
