#include "shim/oci/number_list.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "shim/base/number.h"

namespace casemate::oci {
namespace {

// "3" or "0-3".
std::optional<std::pair<std::uint32_t, std::uint32_t>> range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = whole_number<std::uint32_t>(text.substr(0, dash));
  const auto last =
      dash == std::string_view::npos ? first : whole_number<std::uint32_t>(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return std::pair(*first, *last);
}

}  // namespace

Result<std::vector<std::uint32_t>> parse_number_list(std::string_view text, std::uint32_t end,
                                                     const std::string& pointer) {
  std::vector<std::uint32_t> out;
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = rest.find(',');
    const auto piece = range(rest.substr(0, comma));
    const bool dangling = comma != std::string_view::npos && comma + 1 == rest.size();
    if (!piece || piece->second >= end || dangling)
      return bad_input("oci.number-list", "list \"" + printable(text) + "\"",
                       "write it like 0-3,7, with numbers below " + std::to_string(end), pointer);
    for (std::uint32_t one = piece->first; one <= piece->second; ++one) out.push_back(one);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

std::string number_list(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(numbers[i]);
    if (last > i) text += "-" + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace casemate::oci
