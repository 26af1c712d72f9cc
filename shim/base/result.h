// Result<T>: a value, or an Error a person can act on. Nothing throws across modules.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace casemate {

// The class of a refusal. The numbers are the programs' exit codes.
enum class ErrorClass : int {
  denied = 1,       // a rule of the policy forbids what was asked
  bad_input = 2,    // what was given is malformed
  internal = 3,     // the machine failed us, or we failed
  unsupported = 4,  // a valid request that this program or this kernel cannot serve
};

std::string_view to_string(ErrorClass cls);

// What was asked, what forbids it, and what to do about it.
struct Error {
  ErrorClass cls = ErrorClass::internal;
  std::string rule;  // stable dotted id, for example "image.signature"; tests and audits key on it
  std::string what;  // what was tried, on what
  std::string hint;  // what the reader can do; may be empty
  std::string pointer;  // JSON pointer (RFC 6901) of the value that was asked for; may be empty
  int sys_errno = 0;    // 0 when no system call failed

  // One line, control characters escaped: "denied [image.signature]: … (/process/args): … — hint".
  std::string message() const;
  // The same facts for programs; one line of JSON with level, msg, class, rule, pointer, errno,
  // hint.
  std::string json(std::string_view time_rfc3339) const;
  int exit_code() const { return static_cast<int>(cls); }

  // Prefixes `what` with the step that failed: with_context("mount /proc").
  Error with_context(std::string_view step) &&;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

std::unexpected<Error> denied(std::string rule, std::string what, std::string hint,
                              std::string pointer = {});
std::unexpected<Error> bad_input(std::string rule, std::string what, std::string hint = {},
                                 std::string pointer = {});
std::unexpected<Error> unsupported(std::string rule, std::string what, std::string hint = {},
                                   std::string pointer = {});
std::unexpected<Error> internal(std::string rule, std::string what, std::string hint = {});
// A failed system call: keeps errno, which must not have been overwritten.
std::unexpected<Error> sys_error(std::string what, int saved_errno = errno);

// Makes control characters and invalid bytes visible (\n, \x1b), so that a name from outside can
// stand in a log line (CVE-2026-15809 class).
std::string printable(std::string_view text);

}  // namespace casemate

// Yields the value of a Result, or returns its error from the calling function; on Status it yields
// void. The counter gives nested uses names of their own.
#define TRY(...) CASEMATE_TRY_EXPANDED(__COUNTER__, __VA_ARGS__)
#define CASEMATE_TRY_EXPANDED(counter, ...) CASEMATE_TRY_COUNTED(counter, __VA_ARGS__)
#define CASEMATE_TRY_COUNTED(counter, ...) CASEMATE_TRY_NAMED(try_result_##counter, __VA_ARGS__)
#define CASEMATE_TRY_NAMED(name, ...)                           \
  __extension__({                                               \
    auto name = (__VA_ARGS__);                                  \
    if (!name) return std::unexpected(std::move(name.error())); \
    *std::move(name);                                           \
  })
