#include "shim/seccomp/evaluate.h"

#include <linux/audit.h>

#include <cstddef>
#include <cstring>

#include "shim/seccomp/arch.h"

namespace casemate::seccomp {
namespace {

constexpr std::size_t kMaxLength = BPF_MAXINSNS;

std::unexpected<Error> invalid(std::size_t at, std::string_view why) {
  return bad_input("seccomp.program",
                   "instruction " + std::to_string(at) + ": " + std::string(why));
}

bool valid_alu(const sock_filter& in) {
  const bool by_constant = BPF_SRC(in.code) == BPF_K;
  switch (BPF_OP(in.code)) {
    case BPF_ADD:
    case BPF_SUB:
    case BPF_MUL:
    case BPF_OR:
    case BPF_AND:
    case BPF_XOR:
      return true;
    case BPF_NEG:
      return by_constant;
    case BPF_DIV:
      return !by_constant || in.k != 0;  // seccomp knows no BPF_MOD
    case BPF_LSH:
    case BPF_RSH:
      return !by_constant || in.k < 32;
    default:
      return false;
  }
}

bool valid_jump(const sock_filter& in, std::size_t at, std::size_t length) {
  const std::size_t room = length - at - 1;  // instructions after this one
  switch (BPF_OP(in.code)) {
    case BPF_JA:
      return BPF_SRC(in.code) == BPF_K && in.k < room;
    case BPF_JEQ:
    case BPF_JGT:
    case BPF_JGE:
    case BPF_JSET:
      return in.jt < room && in.jf < room;
    default:
      return false;
  }
}

bool valid_load(const sock_filter& in) {
  switch (in.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      return in.k < sizeof(seccomp_data) && in.k % 4 == 0;
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
      return true;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
      return in.k < BPF_MEMWORDS;
    default:
      return false;
  }
}

bool valid_instruction(const sock_filter& in, std::size_t at, std::size_t length) {
  switch (BPF_CLASS(in.code)) {
    case BPF_LD:
    case BPF_LDX:
      return valid_load(in);
    case BPF_ST:
      return in.code == BPF_ST && in.k < BPF_MEMWORDS;
    case BPF_STX:
      return in.code == BPF_STX && in.k < BPF_MEMWORDS;
    case BPF_ALU:
      return (in.code & 0xff00) == 0 && valid_alu(in);
    case BPF_JMP:
      return (in.code & 0xff00) == 0 && valid_jump(in, at, length);
    case BPF_RET:
      return in.code == (BPF_RET | BPF_K) || in.code == (BPF_RET | BPF_A);
    case BPF_MISC:
      return in.code == (BPF_MISC | BPF_TAX) || in.code == (BPF_MISC | BPF_TXA);
    default:
      return false;
  }
}

struct Machine {
  const seccomp_data& data;
  std::uint32_t a = 0, x = 0;
  std::array<std::uint32_t, BPF_MEMWORDS> memory{};

  std::uint32_t word(std::uint32_t offset) const {
    std::uint32_t value;
    std::memcpy(&value, reinterpret_cast<const char*>(&data) + offset, sizeof value);
    return value;
  }

  void load(const sock_filter& in) {
    std::uint32_t value = in.k;  // BPF_IMM
    if (BPF_MODE(in.code) == BPF_ABS) value = word(in.k);
    if (BPF_MODE(in.code) == BPF_LEN) value = sizeof(seccomp_data);
    if (BPF_MODE(in.code) == BPF_MEM) value = memory[in.k];
    (BPF_CLASS(in.code) == BPF_LD ? a : x) = value;
  }

  // False: division by zero, which ends the program with 0 (kill).
  bool compute(const sock_filter& in) {
    const std::uint32_t operand = BPF_SRC(in.code) == BPF_X ? x : in.k;
    switch (BPF_OP(in.code)) {
      case BPF_ADD:
        a += operand;
        break;
      case BPF_SUB:
        a -= operand;
        break;
      case BPF_MUL:
        a *= operand;
        break;
      case BPF_OR:
        a |= operand;
        break;
      case BPF_AND:
        a &= operand;
        break;
      case BPF_XOR:
        a ^= operand;
        break;
      case BPF_LSH:
        a <<= (operand & 31);
        break;
      case BPF_RSH:
        a >>= (operand & 31);
        break;
      case BPF_NEG:
        a = -a;
        break;
      case BPF_DIV:
        if (operand == 0) return false;
        a /= operand;
        break;
      default:
        break;  // validate() lets nothing else through
    }
    return true;
  }

  std::size_t jump(const sock_filter& in) const {
    const std::uint32_t operand = BPF_SRC(in.code) == BPF_X ? x : in.k;
    bool taken = false;
    switch (BPF_OP(in.code)) {
      case BPF_JA:
        return in.k;
      case BPF_JEQ:
        taken = a == operand;
        break;
      case BPF_JGT:
        taken = a > operand;
        break;
      case BPF_JGE:
        taken = a >= operand;
        break;
      default:
        taken = (a & operand) != 0;
        break;  // BPF_JSET
    }
    return taken ? in.jt : in.jf;
  }

  void move(const sock_filter& in) {
    if (in.code == (BPF_MISC | BPF_TAX)) {
      x = a;
    } else {
      a = x;
    }
  }
};

std::uint32_t execute(std::span<const sock_filter> program, const seccomp_data& data) {
  Machine machine{.data = data};
  for (std::size_t at = 0; at < program.size(); ++at) {  // jumps are forward: this ends
    const sock_filter& in = program[at];
    switch (BPF_CLASS(in.code)) {
      case BPF_LD:
      case BPF_LDX:
        machine.load(in);
        break;
      case BPF_ST:
        machine.memory[in.k] = machine.a;
        break;
      case BPF_STX:
        machine.memory[in.k] = machine.x;
        break;
      case BPF_ALU:
        if (!machine.compute(in)) return SECCOMP_RET_KILL_THREAD;
        break;
      case BPF_JMP:
        at += machine.jump(in);
        break;
      case BPF_RET:
        return in.code == (BPF_RET | BPF_A) ? machine.a : in.k;
      default:
        machine.move(in);
        break;  // BPF_MISC
    }
  }
  return SECCOMP_RET_KILL_PROCESS;  // not reached: validate() wants a return at the end
}

}  // namespace

Status validate(std::span<const sock_filter> program) {
  if (program.empty() || program.size() > kMaxLength) {
    return bad_input("seccomp.program",
                     "a program of " + std::to_string(program.size()) + " instructions",
                     "the kernel takes 1 to 4096");
  }
  for (std::size_t at = 0; at < program.size(); ++at) {
    if (!valid_instruction(program[at], at, program.size())) {
      return invalid(at, "the kernel would not accept code " + std::to_string(program[at].code));
    }
  }
  if (BPF_CLASS(program.back().code) != BPF_RET) {
    return invalid(program.size() - 1, "the program does not end with a return");
  }
  return {};
}

Result<std::uint32_t> evaluate(std::span<const sock_filter> program, const seccomp_data& data) {
  TRY(validate(program));
  return execute(program, data);
}

seccomp_data native_call(long number, const std::array<std::uint64_t, 6>& arguments) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = kNativeAuditArch;
  for (std::size_t i = 0; i < arguments.size(); ++i) data.args[i] = arguments[i];
  return data;
}

Status check_init_calls(std::span<const sock_filter> program, std::span<const InitCall> calls) {
  TRY(validate(program));
  std::string refused;
  for (const InitCall& call : calls) {
    const std::uint32_t answer =
        execute(program, native_call(call.number, call.arguments)) & SECCOMP_RET_ACTION_FULL;
    if (answer == SECCOMP_RET_ALLOW || answer == SECCOMP_RET_LOG) continue;
    refused += (refused.empty() ? "" : ", ") + call.name;
  }
  if (refused.empty()) return {};
  return unsupported("seccomp.init-calls",
                     "the seccomp filter forbids what starting the container takes: " + refused,
                     "allow these system calls in the filter", "/linux/seccomp");
}

}  // namespace casemate::seccomp
