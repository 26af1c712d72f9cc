#include "shim/ctl/image_args.h"

#include <algorithm>

namespace casemate::ctl {
namespace {

bool contains(const std::vector<std::string_view>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::unexpected<Error> misuse(const std::string& what, std::string_view usage = {}) {
  return bad_input("cli.usage", what, usage.empty() ? "" : "casectl " + std::string(usage));
}

}  // namespace

std::string ImageArgs::get(std::string_view name, std::string_view fallback) const {
  const auto [first, last] = values.equal_range(name);
  return first == last ? std::string(fallback) : std::prev(last)->second;
}

std::vector<std::string> ImageArgs::all(std::string_view name) const {
  const auto [first, last] = values.equal_range(name);
  std::vector<std::string> out;
  for (auto at = first; at != last; ++at) out.push_back(at->second);
  return out;
}

Result<std::string> ImageArgs::require(std::string_view name) const {
  if (has(name)) return get(name);
  const std::string dashes = name.size() == 1 ? "-" : "--";
  return misuse("option " + dashes + std::string(name) + " is missing");
}

Result<ImageArgs> parse_image_args(const ImageSyntax& syntax,
                                   std::span<const std::string_view> args) {
  ImageArgs out;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view name = args[i];
    if (!name.starts_with('-') || name == "-") {
      out.operands.emplace_back(name);
      continue;
    }
    name.remove_prefix(name.starts_with("--") ? 2 : 1);
    const auto equals = name.find('=');
    const auto key = name.substr(0, equals);
    if (contains(syntax.flags, key) && equals == name.npos) {
      out.values.emplace(key, "");
    } else if (!contains(syntax.with_value, key)) {
      return misuse("unknown option " + std::string(args[i]), syntax.usage);
    } else if (equals != name.npos) {
      out.values.emplace(key, name.substr(equals + 1));
    } else if (++i < args.size()) {
      out.values.emplace(key, args[i]);
    } else {
      return misuse("option " + std::string(args[i - 1]) + " needs a value", syntax.usage);
    }
  }
  if (out.operands.size() != syntax.operands)
    return misuse("expected " + std::to_string(syntax.operands) + " operands", syntax.usage);
  return out;
}

}  // namespace casemate::ctl
