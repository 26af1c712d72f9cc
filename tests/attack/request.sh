#!/usr/bin/env bash
# Hostile configurations: numbers, names, settings and annotations that would reach further than they
# say. Each is refused by its rule, leaves nothing, and forges no line of any log.
# shellcheck disable=SC2016  # jq's variables, not the shell's
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/attack/attack.sh
. "$ROOT/tests/attack/attack.sh"

# refuses WHAT CLASS RULE JQ_OPTIONS… JQ_FILTER
refuses() {
  local what=$1 class=$2 rule=$3
  shift 3
  hostile request "${PROGRAM[@]}"
  reconfigure "$@"
  refused "$what" "$class" "$rule"
}
PROGRAM=(true)

attack_begin

# --- users (CVE-2024-40635)
for id in -1 2147483648 4294967295 4294967296 18446744073709551615 18446744073709551616 1.5 '"0"' '"1000"' true '[]'; do
  refuses "uid $id" bad_input '(oci\.uid-range|json\.[a-z-]+)' ".process.user.uid = $id"
  refuses "gid $id" bad_input '(oci\.uid-range|json\.[a-z-]+)' ".process.user.gid = $id"
  refuses "additional group $id" bad_input '(oci\.uid-range|json\.[a-z-]+)' ".process.user.additionalGids = [5, $id]"
done

# --- sysctls (CVE-2022-0811, CVE-2022-0532)
sysctl() { refuses "sysctl $3=$4" "$1" "$2" --arg key "$3" --arg value "$4" '.linux.sysctl = {($key): $value}'; }
sysctl denied 'sysctls\.(value|allowed)' kernel.shm_rmid_forced '1+kernel.core_pattern=|/evil'
sysctl denied 'sysctls\.value' net.ipv4.ping_group_range '0 0+kernel.core_pattern=|/evil'
sysctl bad_input 'oci\.sysctl-value' net.ipv4.ping_group_range $'0 0\nkernel.core_pattern=|/evil'
sysctl denied 'sysctls\.host' kernel.core_pattern '|/evil'
sysctl denied 'sysctls\.host' kernel/core_pattern '|/evil'
sysctl denied 'sysctls\.host' kernel.modprobe /evil
sysctl denied 'sysctls\.host' vm.overcommit_memory 1
sysctl denied 'sysctls\.host' fs.suid_dumpable 2
sysctl bad_input 'oci\.sysctl-key' ../kernel/core_pattern x
sysctl bad_input 'oci\.sysctl-key' net/../kernel/core_pattern x
sysctl bad_input 'oci\.sysctl-key' net.ipv4/../../kernel/core_pattern x
sysctl bad_input 'oci\.sysctl-key' net..kernel.core_pattern x
sysctl bad_input 'oci\.sysctl-key' /proc/sys/kernel/core_pattern x
sysctl bad_input 'oci\.sysctl-key' $'net.ipv4.x\ny' x
refuses 'a sysctl of the host network' denied '(sysctls\.namespace|network\.host)' \
  '.linux.sysctl = {"net.ipv4.ping_group_range": "0 0"} | .linux.namespaces |= [.[] | select(.type != "network")]'

# --- control characters (CVE-2026-15809): nothing may write a second line anywhere
evil=$'x\nroot2::0:0:::'
refuses 'a newline in the hostname' bad_input 'oci\.hostname' --arg evil "$evil" '.hostname = $evil'
refuses 'a newline in the domain name' bad_input 'oci\.hostname' --arg evil "$evil" '.domainname = $evil'
refuses 'a newline in HOME' denied 'env\.control-characters' --arg evil "$evil" '.process.env += ["HOME=" + $evil]'
refuses 'an escape sequence in the environment' denied 'env\.control-characters' '.process.env += ["A=\u001b[2J"]'
refuses 'a NUL in the environment' bad_input 'json\.nul' '.process.env += ["A=\u0000B"]'
refuses 'a NUL in the arguments' bad_input 'json\.nul' '.process.args += ["\u0000"]'
refuses 'an environment entry without a name' bad_input 'oci\.env' '.process.env += ["=x"]'
refuses 'a newline in an annotation name' bad_input 'oci\.annotation' --arg evil "$evil" '.annotations = {($evil): "x"}'
refuses 'a newline in a mount' bad_input 'oci\.mount-(destination|source|option)' --arg evil "/$evil" '.mounts += [{destination: $evil, type: "tmpfs"}]'
refuses 'a newline in the root path' bad_input 'oci\.root-path' --arg evil "$evil" '.root.path = $evil'
refuses 'a newline in the cgroup path' bad_input 'oci\.cgroups-path' --arg evil "/$evil" '.linux.cgroupsPath = $evil'
for id in '' . .. ../x a/b $'a\nb' $'a\e[2J' "$(printf 'a%.0s' $(seq 300))" 'ä'; do
  step "id $(printf %q "${id:0:20}")"
  run_status runtime run --bundle "$W/plain" "$id"
  [[ $STATUS -ne 0 && $ERR =~ \[(container\.id|cli\.[a-z-]+)\] && $(wc -l <"$W/err") -eq 1 ]] || fail "id $id: $STATUS $ERR"
  [[ $ERR != *$'\e'* ]] || fail 'an escape sequence on the terminal'
done

# --- annotations are no commands (CVE-2024-3154, CVE-2026-53488)
step 'annotations of others change nothing'
hostile annotated grep -E '^(Cap|NoNew|Seccomp)' /proc/self/status
attack
plain=$OUT
receipts() { find "$W/data/receipts" -type f | wc -l; }
number=$(receipts)
reconfigure --arg w "$W" '.annotations = {
  "dev.casemate.profile": "lab", "dev.casemate.tenant": "acme", "dev.casemate.config": "/evil", "dev.casemate.unsafe": "true",
  "run.oci.handler": "krun", "run.oci.seccomp.receiver": "\($w)/host/socket", "run.oci.hooks.stdout": "\($w)/host/canary",
  "run.oci.systemd.subgroup": "evil", "run.oci.keep_original_groups": "1", "run.oci.mount_context_type": "rootcontext",
  "org.systemd.property.ExecStartPre": "[[\"/bin/sh\",[\"-c\",\"evil\"],false]]", "org.criu.config": "/evil", "module.wasm.image/variant": "compat",
  "io.katacontainers.config.hypervisor.path": "/evil", "bundle": "/", "io.containerd.log": "binary:///bin/sh"}'
attack
expect_eq "$STATUS $OUT" "0 $plain" "the annotated container (stderr: $ERR)"
expect_eq "$(receipts)" $((number + 1)) 'receipts'
expect_contains "$("$CASECTL" receipt show "$(site_last_receipt)")" baseline 'the profile stays the rules'\'' choice'
expect_host_untouched 'annotations'
printf 'root:%s:1::::::\n' "$SECRET" >"$W/host/shadow"
mkfifo "$W/host/fifo"
HOST_BEFORE=$(host_state)
for job in "$W/host/shadow" "$W/host/fifo" "$W/host" /dev/zero /proc/kmsg relative "$W/host/none" '{' '{"payload": 1}' ''; do
  hostile job-annotation
  reconfigure --arg job "$job" '.annotations = {"dev.casemate.job": $job}'
  step "job annotation '$job'"
  E2E_TIMEOUT=10 attack
  [[ $STATUS -ge 1 && $STATUS -le 4 ]] || fail "exit code $STATUS: $ERR"
  expect_host_untouched "job annotation $job"
done

# --- the host's places, and namespaces
mkdir -p "$W/link"
ln -sfn /etc "$W/link/etc"
ln -sfn / "$W/link/root"
: >"$W/link/shadow"
for source in / /proc /proc/1/root /proc/self/root /sys /dev /dev/sda /etc/shadow /etc /run /var/run/docker.sock "$W/link/etc" "$W/link/root" "$W/link/../../../etc" /proc/self/cwd; do
  refuses "a bind of $source" denied 'mounts\.(forbidden-source|source)' --arg source "$source" \
    '.mounts += [{destination: "/mnt", type: "bind", source: $source, options: ["rbind"]}]'
done
for option in remount move shared rshared; do
  refuses "the mount option $option" denied 'mounts\.(remount|propagation|rule)' --arg option "$option" --arg w "$W/link" \
    '.mounts += [{destination: "/mnt", type: "bind", source: $w, options: ["bind", $option]}]'
done
for type in ext4 overlay debugfs securityfs tracefs bpf fuse nfs configfs; do
  refuses "a $type mount" denied 'mounts\.rule' --arg type "$type" '.mounts += [{destination: "/mnt", type: $type, source: "none"}]'
done
for namespace in pid mount ipc uts; do
  refuses "the host's $namespace namespace" denied 'namespaces\.required' --arg one "$namespace" '.linux.namespaces |= [.[] | select(.type != $one)]'
  refuses "the host's $namespace namespace by path" denied 'namespaces\.(host-path|join|required|mount)' --arg one "$namespace" --arg path "/proc/1/ns/${namespace/mount/mnt}" \
    '.linux.namespaces |= [.[] | select(.type == $one).path = $path]'
done

# --- devices, capabilities, cgroups, hooks
refuses 'a disk' denied 'devices\.[a-z-]+' '.linux.devices = [{path: "/dev/sda", type: "b", major: 8, minor: 0}]'
refuses 'memory as a device of another name' denied 'devices\.[a-z-]+' '.linux.devices = [{path: "/dev/fuse", type: "c", major: 1, minor: 1}]'
refuses 'a device outside /dev' denied '(devices\.[a-z-]+|oci\.device-path)' '.linux.devices = [{path: "/tmp/kmsg", type: "c", major: 1, minor: 11}]'
refuses 'every device' denied '(devices\.[a-z-]+|privileged\.request)' '.linux.resources.devices = [{allow: true, access: "rwm"}]'
for capability in CAP_SYS_ADMIN CAP_SYS_MODULE CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_BPF CAP_SYS_RAWIO; do
  refuses "$capability" denied 'capabilities\.refused' --arg one "$capability" '.process.capabilities.bounding += [$one]'
done
for capability in cap_chown CAP_ 'CAP_CHOWN,CAP_SYS_ADMIN' 'CAP_CHOWN '; do
  refuses "capability '$capability'" bad_input 'oci\.capability' --arg one "$capability" '.process.capabilities.bounding += [$one]'
done
refuses 'a cgroup path with ..' bad_input 'oci\.cgroups-path' '.linux.cgroupsPath = "/../../evil"'
refuses 'a program of the host as a hook' denied 'hooks\.not-listed' '.hooks = {prestart: [{path: "/bin/sh", args: ["sh", "-c", "evil"]}]}'
refuses 'a hook inside the container' denied 'hooks\.start-container' '.hooks = {startContainer: [{path: "/bin/true"}]}'
refuses 'an AppArmor profile' unsupported 'oci\.apparmorProfile' '.process.apparmorProfile = "evil"'
refuses 'an Intel RDT group' unsupported 'oci\.intelRdt' '.linux.intelRdt = {closID: "../../evil"}'

step 'no refusal left anything, forged a log line or broke the audit log'
expect_same "$W/before" 'all refusals'
jq -es 'length > 100 and all(has("seq"))' "$W/data/audit/audit.jsonl" >/dev/null ||
  fail 'the audit log has lines that are no records'
"$CASECTL" audit verify "$W/data/audit/audit.jsonl" >/dev/null || fail 'the audit log does not verify'
