// Command-line arguments in the form that runc's callers use: options (--name VALUE, --name=VALUE,
// -n VALUE) before positional arguments. Unknown options are refused, never skipped.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"

namespace casemate {

struct OptionSpec {
  std::string_view name;  // "--bundle"
  char letter = 0;        // 'b', or 0
  bool takes_value = false;
  std::string_view help = {};
};

class Args {
 public:
  // Takes options until the first positional argument or "--"; the rest is positional. bad_input
  // "cli.option".
  static Result<Args> parse(std::span<const std::string> words, std::span<const OptionSpec> known);

  bool has(std::string_view name) const { return values_.contains(name); }
  // The last value given, or `fallback`.
  std::string value(std::string_view name, std::string_view fallback = {}) const;
  // Every value of an option that may be repeated, in order.
  std::vector<std::string> values(std::string_view name) const;
  // bad_input "cli.number" unless it is a decimal number in the range.
  Result<int> number(std::string_view name, int fallback, int lowest, int highest) const;
  const std::vector<std::string>& positional() const { return positional_; }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> positional_;
};

}  // namespace casemate
