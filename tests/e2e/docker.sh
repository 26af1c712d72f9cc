#!/usr/bin/env bash
# Ordinary containers, without a job request, through a real Docker daemon.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

docker_run() { docker run --network none "$@"; }

e2e_begin
write_host_config
start_dockerd
docker load --quiet --input "$ROOT/build/e2e/busybox/docker.tar" >/dev/null
# What the daemon sets up at its first container (cgroup parents, plumbing) is not the runtime's.
expect_status 0 docker_run --rm busybox:e2e true
snapshot "$W/before"

step 'docker run: output and exit code'
expect_status 0 docker_run --rm busybox:e2e echo hello from the casemate
expect_eq "$OUT" 'hello from the casemate' 'stdout'
expect_status 7 docker_run --rm busybox:e2e sh -c 'exit 7'
expect_status 127 docker_run --rm busybox:e2e /no/such/program
expect_same "$W/before" 'docker run'

step 'docker run | cat returns (nobody keeps stdout open)'
E2E_TIMEOUT=20 expect_status 0 bash -c 'docker run --rm --network none busybox:e2e echo piped | cat'
expect_eq "$OUT" piped 'stdout through a pipe'

step 'stdin reaches the job'
expect_eq "$(printf 'to the job' | docker_run --rm -i busybox:e2e cat)" 'to the job' 'stdin'

step 'a terminal (console socket)'
expect_status 0 docker_run --rm -t busybox:e2e sh -c '[ -t 0 ] && [ -t 1 ] && echo terminal'
expect_contains "$OUT" terminal 'docker run -t'
expect_same "$W/before" 'a terminal'

step 'the sandbox: pid 1, no new privileges, seccomp filter, nothing of the host'
expect_status 0 docker_run --rm --security-opt no-new-privileges busybox:e2e sh -c 'echo $$; grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status; ls /proc/sys/kernel >/dev/null && echo readable; echo x 2>/dev/null >/proc/sys/kernel/hostname || echo read-only'
expect_contains "$OUT" $'1\n' 'pid'
expect_contains "$OUT" $'Seccomp:\t2' 'seccomp'
expect_contains "$OUT" 'read-only' '/proc/sys'
expect_contains "$OUT" $'NoNewPrivs:\t1' 'no_new_privs'

step 'detached: wait, logs, stop, kill, rm'
expect_status 0 docker_run -d --name detached busybox:e2e sh -c 'echo started; exec sleep 600'
wait_until 10 bash -c 'docker logs detached | grep -q started' || fail 'no log line'
expect_status 0 docker kill --signal KILL detached
expect_eq "$(docker wait detached)" 137 'exit code after kill'
expect_status 0 docker rm detached
expect_status 0 docker_run -d --name stopped --stop-timeout 1 busybox:e2e sleep 600
expect_status 0 docker stop --time 1 stopped
expect_status 0 docker rm stopped
expect_status 0 docker_run -d --name forced busybox:e2e sleep 600
expect_status 0 docker rm --force forced
expect_same "$W/before" 'detached containers'

step 'exec works, or is refused by name'
expect_status 0 docker_run -d --name executing busybox:e2e sleep 600
run_status docker exec executing echo inside
if [ "$STATUS" -eq 0 ]; then expect_eq "$OUT" inside 'exec'; else expect_contains "$OUT$ERR" 'not supported [command.exec]' 'exec'; fi
expect_status 0 docker rm --force executing
expect_same "$W/before" 'exec'

step 'limits reach the cgroup'
expect_status 0 docker_run --rm --memory 64m --pids-limit 32 busybox:e2e sh -c \
  'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true'
expect_contains "$OUT" 67108864 'memory limit'
expect_contains "$OUT" 32 'pids limit'

step 'pause, unpause, top, stats, update'
expect_status 0 docker_run -d --name governed --memory 64m --memory-swap 64m busybox:e2e sleep 600
expect_status 0 docker pause governed
expect_eq "$(docker inspect --format '{{.State.Status}}' governed)" paused 'after docker pause'
expect_status 0 docker unpause governed
expect_eq "$(docker inspect --format '{{.State.Status}}' governed)" running 'after docker unpause'
expect_status 0 docker top governed
expect_contains "$OUT" 'sleep 600' 'docker top'
expect_status 0 docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' governed
expect_contains "$OUT" '64MiB 1' 'docker stats'
expect_status 0 docker update --memory 96m --memory-swap 96m --pids-limit 33 --cpus 0.5 governed
expect_status 0 docker stats --no-stream --format '{{.MemUsage}}' governed
expect_contains "$OUT" '96MiB' 'docker stats after docker update'
group=$(docker inspect --format '{{.Id}}' governed)
expect_eq "$(cat /sys/fs/cgroup/{pids,unified}/docker/"$group"/pids.max /sys/fs/cgroup/docker/"$group"/pids.max 2>/dev/null)" 33 'pids.max'
run_status docker update --cpuset-cpus 4000 governed
[ "$STATUS" -ne 0 ] || fail 'a processor that does not exist was accepted'
expect_status 0 docker pause governed
expect_status 0 docker rm --force governed
expect_same "$W/before" 'a paused container, removed'

if is_casemate; then
  step '--privileged is refused, with the rule, and leaves nothing'
  run_status docker_run --rm --privileged busybox:e2e true
  [ "$STATUS" -ne 0 ] || fail '--privileged was accepted'
  expect_contains "$ERR" 'denied [' 'the refusal names its rule'
fi
expect_same "$W/before" 'the whole test'
