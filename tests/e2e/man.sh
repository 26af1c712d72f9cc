#!/usr/bin/env bash
# The manual pages against the programs: what --help and the usage lines name is in the pages, what
# the pages name exists, and the examples are read by the parsers.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

PAGES=$ROOT/docs/man

# page NAME: the page as plain text, on stdout; one paragraph a line, so that nothing is broken.
page() { groff -man -Tascii -P-cbou -rLL=4000n -rHY=0 "$PAGES/$1"; }

# has TEXT WORD WHAT: the word stands there by itself ("--key" is not found in "--key-file").
has() {
  grep -qE -- "(^|[^A-Za-z0-9_-])${2//./\\.}([^A-Za-z0-9_-]|\$)" <<<"$1" || fail "$3 does not name $2"
}

# An empty list would make a check that cannot fail.
expect_some() { [ -n "$1" ] || fail "nothing found to check: $2"; }

options_in() { grep -oE -- '(^|[^A-Za-z0-9-])--?[a-z][a-z-]*' <<<"$1" | grep -oE -- '-.*' | sort -u; }

e2e_begin
require_casemate

step 'all pages render without a warning'
for name in casemate.8 casectl.1 casemate.json.5 casemate-profile.5; do
  expect_eq "$(groff -man -Tutf8 -ww -z "$PAGES/$name" 2>&1)" '' "warnings of $name"
  page "$name" >"$W/$name.txt"
done
casemate_page=$(cat "$W/casemate.8.txt")
casectl_page=$(cat "$W/casectl.1.txt")

step 'casemate --help: every command and option is in casemate(8)'
help=$("$RUNTIME" --help)
commands=$(awk '/^Commands:/ {on = 1; next} /^$/ {on = 0} on {print $1}' <<<"$help")
expect_some "$commands" 'commands of casemate --help'
for command in $commands; do
  grep -qE "^ +casemate $command( |\$)" <<<"$casemate_page" || fail "casemate(8) has no synopsis of $command"
done
options=$(awk '/^Global options:/ {on = 1; next} on {print $1}' <<<"$help")
expect_some "$options" 'options of casemate --help'
for option in $options; do has "$casemate_page" "$option" 'casemate(8)'; done

# section NAME: the part of casemate(8) about one command.
section() {
  awk -v name="$1" '/^   [a-z]/ {on = $1 == name} /^[A-Z]/ {on = 0} on' <<<"$casemate_page"
}

step "each command's options: those in the source are in its section, those in the section exist"
# table COMMAND: the options that the source lists for it. run has create's, too.
table() {
  awk -v table="k$1Options = " 'index($0, table) {on = 1} on {print} on && /};/ {exit}' \
    "$ROOT/shim/cli/command.cc" | grep -oE '"--[a-z0-9-]+"' | tr -d '"' || true
}
for command in Create Run Exec Kill Delete List Ps Update Events Spec; do
  name=${command,,}
  options=$(table "$command")
  expect_some "$options" "options of $name in shim/cli/command.cc"
  text=$(section "$name")
  if [ "$name" = run ]; then text+=$(section create); fi
  for option in $options; do has "$text" "$option" "casemate(8), section $name"; done
done
for command in $commands; do
  for option in $(section "$command" | grep -oE '^ +(-[a-z], )?--[a-z0-9-]+' | tr -d ' ,' | sed 's/^-[a-z]-/-/'); do
    run_status "$RUNTIME" "$command" "$option"
    [[ $ERR != *'unknown option'* ]] || fail "casemate(8) gives $command an option $option: $ERR"
  done
done

step 'what casemate(8) calls not built is refused with exit code 4'
for command in checkpoint restore; do
  has "$casemate_page" "$command" 'casemate(8)'
  expect_status 4 "$RUNTIME" "$command" some-id
  expect_contains "$ERR" "[command.$command]" 'the rule'
done

step 'casectl --help: every command is in casectl(1), with every option of its usage line'
help=$("$CASECTL" --help)
commands=$(awk '$1 == "casectl" && $3 ~ /^[a-z]+$/ && NF > 3 {print $2, $3}' <<<"$help" | grep -v :)
expect_eq "$(wc -l <<<"$commands")" "$(grep -c '^  casectl ' <<<"$help")" 'commands found in casectl --help'
while read -r group name; do
  heading=$(grep -E "^   casectl $group $name( |\$)" <<<"$casectl_page") ||
    fail "casectl(1) has no section casectl $group $name"
  run_status "$CASECTL" "$group" "$name" --no-such-option
  expect_eq "$STATUS" 2 "exit code of casectl $group $name --no-such-option"
  usage=${ERR#*; casectl "$group" }
  # The dataset commands share one line: only this command's part of it.
  if [ "$group" = dataset ]; then usage=$(tr '|' '\n' <<<"$usage" | grep -E "^ *$name "); fi
  expect_contains "$usage" "$name" "usage of casectl $group $name"
  text=$(awk -v heading="$heading" '/^   casectl/ || /^[A-Z]/ {on = $0 == heading} on' <<<"$casectl_page")
  while read -r option; do
    [ -z "$option" ] || has "$text" "$option" "casectl(1), section $group $name"
  done < <(options_in "$usage" || true)
  while read -r option; do
    [ -z "$option" ] || [ "$option" = --helper ] || has "$usage" "$option" "usage of casectl $group $name"
  done < <(grep -oE -- '^ +--?[a-z][a-z-]*' <<<"$text" | tr -d ' ' || true)
done <<<"$commands"

step 'casemate-profile(5) names every key of the shipped profiles'
keys=$(jq -r 'paths | map(strings) | .[]' "$ROOT"/profiles/*.json | grep -v RLIMIT | sort -u)
expect_some "$keys" 'keys of profiles'
for key in $keys; do has "$(cat "$W/casemate-profile.5.txt")" "$key" 'casemate-profile(5)'; done

step 'casemate.json(5) names every key of a configuration'
write_host_config .
keys=$(jq -r 'paths | map(strings) | .[]' "$W/casemate.json" | sort -u)
expect_some "$keys" 'keys of casemate.json'
for key in $keys; do has "$(cat "$W/casemate.json.5.txt")" "$key" 'casemate.json(5)'; done

step 'the example configurations are read'
sed -n '/^\.EX/,/^\.EE/p' "$PAGES/casemate.json.5" | sed '1d;$d' | tr -d '\134' >"$W/example.json"
expect_status 0 "$RUNTIME" --config "$W/example.json" --root "$W/root" list
# shellcheck disable=SC2016  # backquotes of Markdown
sed -n '/^```json/,/^```/p' "$ROOT/docs/OPERATOR_GUIDE.md" | sed '1d;$d' >"$W/guide.json"
expect_status 0 "$RUNTIME" --config "$W/guide.json" --root "$W/root" list
expect_eq "$(jq -r .signers[0].name "$W/guide.json")" acme-release 'the example was found'

step 'the profile of the example passes the lint'
jq '.name = "short" | .resources.memory_max = 8589934592' "$ROOT/profiles/restricted.json" >"$W/short.json"
expect_status 0 "$CASECTL" policy lint "$W/short.json"
