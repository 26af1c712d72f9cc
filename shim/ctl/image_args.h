// Options of the image, job and key commands: "--name VALUE", "--flag", and operands. What a
// command does not know is refused.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/result.h"

namespace casemate::ctl {

struct ImageArgs {
  std::multimap<std::string, std::string, std::less<>> values;  // without the dashes
  std::vector<std::string> operands;

  bool has(std::string_view name) const { return values.contains(name); }
  // The last one given; `fallback` when none was.
  std::string get(std::string_view name, std::string_view fallback = {}) const;
  std::vector<std::string> all(std::string_view name) const;
  // bad_input "cli.usage" when absent.
  Result<std::string> require(std::string_view name) const;
};

struct ImageSyntax {
  std::string_view usage;  // "image sign --key FILE …", for the hint
  std::vector<std::string_view> with_value, flags;
  std::size_t operands = 0;  // exactly
};

// bad_input "cli.usage".
Result<ImageArgs> parse_image_args(const ImageSyntax& syntax,
                                   std::span<const std::string_view> args);

}  // namespace casemate::ctl
