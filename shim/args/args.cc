#include "shim/args/args.h"

#include "shim/base/number.h"

namespace casemate {
namespace {

const OptionSpec* find(std::span<const OptionSpec> known, std::string_view name) {
  for (const OptionSpec& option : known) {
    const bool by_letter = name.size() == 2 && option.letter != 0 && name[1] == option.letter;
    // runc accepts -bundle as well as --bundle.
    const bool by_name = option.name == name || option.name.substr(1) == name;
    if (by_letter || by_name) return &option;
  }
  return nullptr;
}

}  // namespace

Result<Args> Args::parse(std::span<const std::string> words, std::span<const OptionSpec> known) {
  Args args;
  std::size_t i = 0;
  for (; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      ++i;
      break;
    }
    if (word.size() < 2 || word[0] != '-') break;
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const OptionSpec* option = find(known, name);
    if (option == nullptr)
      return bad_input("cli.option", "unknown option " + printable(name), "see --help");
    const bool inline_value = equals != std::string::npos;
    if (!option->takes_value) {
      const std::string value = inline_value ? word.substr(equals + 1) : "true";
      if (value != "true" && value != "false")
        return bad_input("cli.option", name + " takes no value", "see --help");
      if (value == "true") args.values_[std::string(option->name)].push_back(value);
      continue;
    }
    if (!inline_value && i + 1 == words.size())
      return bad_input("cli.option", name + " needs a value", "see --help");
    args.values_[std::string(option->name)].push_back(inline_value ? word.substr(equals + 1)
                                                                   : words[++i]);
  }
  args.positional_.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
  return args;
}

std::string Args::value(std::string_view name, std::string_view fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(fallback) : found->second.back();
}

std::vector<std::string> Args::values(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

Result<int> Args::number(std::string_view name, int fallback, int lowest, int highest) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return fallback;
  const std::string& text = found->second.back();
  const auto number = whole_number<int>(text);
  if (number && *number >= lowest && *number <= highest) return *number;
  return bad_input("cli.number", std::string(name) + " wants a number from " +
                                     std::to_string(lowest) + " to " + std::to_string(highest) +
                                     ", not " + printable(text));
}

}  // namespace casemate
