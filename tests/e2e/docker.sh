#!/usr/bin/env bash
# Ordinary containers, without a job request, through a real Docker daemon.
# shellcheck disable=SC2016  # $ belongs to shells inside
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

step 'exec: output, exit code, user, environment, directory, stdin'
expect_status 0 docker_run -d --name executing --env OWN=container busybox:e2e sleep 600
expect_status 0 docker exec executing echo inside
expect_eq "$OUT" inside 'exec'
expect_status 9 docker exec executing sh -c 'exit 9'
run_status docker exec executing no-such-program
[[ $STATUS -eq 126 || $STATUS -eq 127 ]] || fail "exit code $STATUS of a missing program"  # Docker 20 says 126
expect_contains "$OUT$ERR" 'executable file not found in $PATH' 'exec of nothing'
expect_status 126 docker exec executing /etc/passwd
expect_status 0 docker exec -u 1000:1000 -e A=given -w /tmp executing sh -c 'id; echo $A $OWN; pwd'
expect_eq "$OUT" $'uid=1000(job) gid=1000(job) groups=1000(job)\ngiven container\n/tmp' '-u, -e, -w'
expect_eq "$(printf 'to the program' | docker exec -i executing cat)" 'to the program' 'stdin of exec'
expect_status 0 docker exec executing grep -E '^(Seccomp|CapBnd):' /proc/self/status
inside=$OUT
expect_status 0 docker exec executing grep -E '^(Seccomp|CapBnd):' /proc/1/status
expect_eq "$inside" "$OUT" 'filter and capabilities'
expect_contains "$inside" $'Seccomp:\t2' 'the filter of exec'
expect_status 0 docker exec -d executing sleep 501
wait_until 10 bash -c 'docker exec executing ps | grep -q "sleep 501"' || fail 'exec -d runs nothing'
if is_casemate; then
  run_status docker exec --privileged executing true
  [ "$STATUS" -ne 0 ] || fail 'exec --privileged was accepted'
  expect_contains "$OUT$ERR" 'denied [capabilities.refused]' 'exec --privileged'
fi

step 'exec -it: a terminal, its size, what is typed'
with_terminal() { timeout 30 script -qec "stty rows 29 cols 83; $1" /dev/null; }
STATUS=0
OUT=$(printf 'typed\n' | with_terminal "docker exec -it executing sh -c '[ -t 0 ] && echo terminal; read word; echo got \$word; exit 5'") || STATUS=$?
expect_eq "$STATUS" 5 "exit code of exec -it ($OUT)"
expect_contains "$OUT" terminal 'exec -it'
expect_contains "$OUT" 'got typed' 'what was typed'
expect_status 0 docker rm --force executing
expect_same "$W/before" 'exec'

step 'health checks are execs'
expect_status 0 docker_run -d --name healthy --health-cmd 'test -e /tmp/well' --health-interval 0.5s --health-retries 2 \
  busybox:e2e sleep 600
health_is() { [ "$(docker inspect --format '{{.State.Health.Status}}' healthy)" = "$1" ]; }
export -f health_is
wait_until 20 health_is unhealthy || fail "health: $(docker inspect --format '{{json .State.Health}}' healthy)"
expect_status 0 docker exec healthy sh -c 'echo >/tmp/well'
wait_until 20 health_is healthy || fail "health: $(docker inspect --format '{{json .State.Health}}' healthy)"
expect_status 0 docker rm --force healthy
expect_same "$W/before" 'health checks'

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
