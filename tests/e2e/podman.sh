#!/usr/bin/env bash
# podman drives the runtime through conmon: no --root, no --log, sync pipes in the environment.
# shellcheck disable=SC2016  # $ belongs to shells inside
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

podman_run() { "$PODMAN" run --network none "$@"; }

e2e_begin
write_host_config
prepare_podman
tar --create --directory "$ROOT/build/e2e/busybox/rootfs" . | "$PODMAN" import - busybox:e2e >/dev/null 2>&1
expect_status 0 podman_run --rm busybox:e2e true
snapshot "$W/before"

step 'podman run: output, exit code, pipe'
expect_status 0 podman_run --rm busybox:e2e echo hello from the casemate
expect_eq "$OUT" 'hello from the casemate' 'stdout'
expect_status 7 podman_run --rm busybox:e2e sh -c 'exit 7'
expect_eq "$(podman_run --rm busybox:e2e echo piped | cat)" piped 'stdout through a pipe'
expect_same "$W/before" 'podman run'

step 'exec: output, exit code, user, environment, directory, stdin, a terminal'
expect_status 0 podman_run -d --name executing busybox:e2e sleep 600
expect_status 0 "$PODMAN" exec executing echo inside
expect_eq "$OUT" inside 'exec'
expect_status 9 "$PODMAN" exec executing sh -c 'exit 9'
expect_status 127 "$PODMAN" exec executing no-such-program
expect_status 0 "$PODMAN" exec --user 1000:1000 --env A=given --workdir /tmp executing sh -c 'id -u; echo $A; pwd'
expect_eq "$OUT" $'1000\ngiven\n/tmp' '--user, --env, --workdir'
expect_eq "$(printf 'to the program' | "$PODMAN" exec -i executing cat)" 'to the program' 'stdin of exec'
expect_status 0 timeout 30 script -qec "$PODMAN exec -t executing sh -c '[ -t 0 ] && echo terminal'" /dev/null
expect_contains "$OUT" terminal 'exec -t'
expect_status 0 "$PODMAN" rm --force --time 0 executing
expect_status 0 podman_run --rm busybox:e2e true  # podman leaves its own storage mounted after rm --force
expect_same "$W/before" 'exec'

step 'detached: logs, stop, rm'
expect_status 0 podman_run -d --name detached busybox:e2e sh -c 'echo started; exec sleep 600'
wait_until 10 bash -c "$PODMAN logs detached 2>/dev/null | grep -q started" || fail 'no log line'
expect_status 0 "$PODMAN" stop --time 1 detached
expect_status 0 "$PODMAN" rm detached
expect_same "$W/before" 'detached containers'

step 'pause, unpause, update, kill of a paused one'
expect_status 0 podman_run -d --name governed --memory 64m --memory-swap 64m busybox:e2e sleep 600
expect_status 0 "$PODMAN" pause governed
expect_eq "$("$PODMAN" inspect --format '{{.State.Status}}' governed)" paused 'after podman pause'
expect_status 0 "$PODMAN" unpause governed
expect_eq "$("$PODMAN" inspect --format '{{.State.Status}}' governed)" running 'after podman unpause'
expect_status 0 "$PODMAN" update --memory 96m --memory-swap 96m governed
expect_status 0 "$PODMAN" pause governed
expect_status 0 "$PODMAN" rm --force --time 1 governed
expect_status 0 podman_run --rm busybox:e2e true  # podman leaves its own storage mounted after rm --force
expect_same "$W/before" 'a paused container, removed'
