// The eBPF program of cgroup v2: written instruction by instruction, because no more than loads,
// comparisons and returns are needed. Context (linux/bpf.h): u32 access_type (low 16 bits: kind of
// device; high 16: access), u32 major, u32 minor.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "shim/base/encoding.h"
#include "shim/cgroup/devices.h"

namespace casemate::cgroup {
namespace {

// Registers: what the rules look at, and a scratch one that is also the answer.
enum Register : std::uint8_t {
  kResult = 0,
  kContext = 1,
  kType = 2,
  kLeft = 3,
  kMajor = 4,
  kMinor = 5
};

constexpr std::size_t kMaxAttached = 64;  // BPF_CGROUP_MAX_PROGS
constexpr char kLicense[] = "";           // matters only to programs that call helper functions

bpf_insn instruction(unsigned code, std::uint8_t dst, std::uint8_t src, int off,
                     std::uint32_t imm) {
  bpf_insn out{};
  out.code = static_cast<std::uint8_t>(code);
  out.dst_reg = dst & 0xf;
  out.src_reg = src & 0xf;
  out.off = static_cast<std::int16_t>(off);
  out.imm = static_cast<std::int32_t>(imm);
  return out;
}
bpf_insn load_word(std::uint8_t dst, int offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, dst, kContext, offset, 0);
}
bpf_insn alu(unsigned op, std::uint8_t dst, std::uint32_t imm) {
  return instruction(BPF_ALU | op | BPF_K, dst, 0, 0, imm);
}
bpf_insn copy(std::uint8_t dst, std::uint8_t src) {
  return instruction(BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0);
}
// 32-bit comparison, so that numbers above 2^31 compare as they are.
bpf_insn jump_unless_equal(std::uint8_t dst, std::uint32_t imm) {
  return instruction(BPF_JMP32 | BPF_JNE | BPF_K, dst, 0, 0, imm);
}
bpf_insn jump_if_zero(std::uint8_t dst) {
  return instruction(BPF_JMP32 | BPF_JEQ | BPF_K, dst, 0, 0, 0);
}

void answer(std::vector<bpf_insn>& out, bool allow) {
  out.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, kResult, 0, 0, allow ? 1 : 0));
  out.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

// One rule: every instruction in `leaves` jumps behind it when the rule does not decide.
std::vector<bpf_insn> rule_block(const DeviceAccess& rule) {
  std::vector<bpf_insn> out;
  std::vector<std::size_t> leaves;
  const auto leave = [&](const bpf_insn& jump) {
    leaves.push_back(out.size());
    out.push_back(jump);
  };
  leave(jump_unless_equal(kType, rule.type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK));
  if (rule.major) leave(jump_unless_equal(kMajor, *rule.major));
  if (rule.minor) leave(jump_unless_equal(kMinor, *rule.minor));
  if (rule.allow) {
    out.push_back(alu(BPF_AND, kLeft, ~rule.access));  // allowed: no earlier rule has a say
    leave(jump_unless_equal(kLeft, 0));
  } else {
    out.push_back(copy(kResult, kLeft));
    out.push_back(alu(BPF_AND, kResult, rule.access));
    leave(jump_if_zero(kResult));
  }
  answer(out, rule.allow);
  for (const std::size_t at : leaves) {
    out[at].off = static_cast<std::int16_t>(out.size() - at - 1);
  }
  return out;
}

// bpf(2) never gives 0, 1 or 2 to a program whose standard descriptors are open.
Result<UniqueFd> program_fd(long fd) {
  if (fd > STDERR_FILENO) return UniqueFd(static_cast<int>(fd));
  return internal("cgroup.bpf", "bpf(2) gave no descriptor of a program");
}

std::uint64_t pointer(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address);
}

Result<UniqueFd> load(sys::Kernel& kernel, const std::vector<oci::DeviceRule>& rules) {
  const auto program = device_program(TRY(normalise(rules)));
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = pointer(program.data());
  attr.insn_cnt = static_cast<std::uint32_t>(program.size());
  attr.license = pointer(kLicense);
  return program_fd(TRY(kernel.bpf(BPF_PROG_LOAD, attr)));
}

Result<std::vector<UniqueFd>> attached(sys::Kernel& kernel, int leaf) {
  std::array<std::uint32_t, kMaxAttached> ids{};
  bpf_attr query{};
  query.query.target_fd = static_cast<std::uint32_t>(leaf);
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = pointer(ids.data());
  query.query.prog_cnt = ids.size();
  TRY(kernel.bpf(BPF_PROG_QUERY, query));
  std::vector<UniqueFd> out;
  for (std::size_t i = 0; i < std::min<std::size_t>(query.query.prog_cnt, ids.size()); ++i) {
    bpf_attr by_id{};
    by_id.prog_id = ids[i];
    out.push_back(TRY(program_fd(TRY(kernel.bpf(BPF_PROG_GET_FD_BY_ID, by_id)))));
  }
  return out;
}

Result<std::string> tag(sys::Kernel& kernel, int program) {
  bpf_prog_info info{};
  bpf_attr attr{};
  attr.info.bpf_fd = static_cast<std::uint32_t>(program);
  attr.info.info_len = sizeof info;
  attr.info.info = pointer(&info);
  TRY(kernel.bpf(BPF_OBJ_GET_INFO_BY_FD, attr));
  return to_hex(info.tag);
}

Status attach_or_detach(sys::Kernel& kernel, int command, int leaf, int program) {
  bpf_attr attr{};
  attr.target_fd = static_cast<std::uint32_t>(leaf);
  attr.attach_bpf_fd = static_cast<std::uint32_t>(program);
  attr.attach_type = BPF_CGROUP_DEVICE;
  if (command == BPF_PROG_ATTACH) attr.attach_flags = BPF_F_ALLOW_MULTI;
  TRY(kernel.bpf(command, attr));
  return {};
}

}  // namespace

std::vector<bpf_insn> device_program(const DevicePolicy& policy) {
  std::vector<bpf_insn> out = {
      load_word(kType, 0),     copy(kLeft, kType),   alu(BPF_AND, kType, 0xffff),
      alu(BPF_RSH, kLeft, 16), load_word(kMajor, 4), load_word(kMinor, 8),
  };
  for (auto rule = policy.rules.rbegin(); rule != policy.rules.rend(); ++rule) {
    const auto block = rule_block(*rule);
    out.insert(out.end(), block.begin(), block.end());
  }
  answer(out, policy.default_allow);
  return out;
}

Status limit_devices_v2(sys::Kernel& kernel, int leaf, const std::vector<oci::DeviceRule>& rules,
                        Attached others) {
  const auto program = TRY(load(kernel, rules));
  std::vector<UniqueFd> before;
  if (others == Attached::ours) before = TRY(attached(kernel, leaf));
  TRY(attach_or_detach(kernel, BPF_PROG_ATTACH, leaf, program.get()));
  for (const UniqueFd& old : before) {
    TRY(attach_or_detach(kernel, BPF_PROG_DETACH, leaf, old.get()));
  }
  return {};
}

Result<Json> observe_devices_v2(sys::Kernel& kernel, int leaf,
                                const std::vector<oci::DeviceRule>& rules, Attached others) {
  const auto program = TRY(load(kernel, rules));
  const std::string wanted = TRY(tag(kernel, program.get()));
  Json tags = Json::array();
  for (const UniqueFd& one : TRY(attached(kernel, leaf))) {
    tags.push_back(TRY(tag(kernel, one.get())));
  }
  const bool there = std::ranges::find(tags, Json(wanted)) != tags.end();
  const bool holds = there && (others == Attached::shared || tags.size() == 1);
  return Json{{"asked", Json::array({wanted})}, {"observed", std::move(tags)}, {"holds", holds}};
}

}  // namespace casemate::cgroup
