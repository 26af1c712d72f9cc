// What scripts/fuzz runs: one parser each, by name. A target is called with hostile bytes; it
// aborts when a property does not hold, and the sanitizers do when the code goes wrong.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::fuzz {

struct Target {
  const char* name;  // "<folder>.<what>"
  void (*run)(std::string_view input);
  std::vector<std::string> (*seeds)();
  bool json = false;  // inputs are changed as JSON trees too, not only as bytes
};

// One table a folder of the source tree, each in the file of that name.
std::span<const Target> base_targets();
std::span<const Target> oci_targets();
std::span<const Target> policy_targets();
std::span<const Target> plan_targets();
std::span<const Target> proc_targets();
std::span<const Target> cgroup_targets();
std::span<const Target> run_targets();
std::span<const Target> evidence_targets();
std::span<const Target> warden_targets();
std::span<const Target> image_targets();
std::span<const Target> dataset_targets();

// The texts of the files that match, of the repository ("profiles/*.json") or absolute. Aborts when
// there is none.
std::vector<std::string> files(const char* pattern);

// Aborts, naming the property, unless it holds.
void expect(bool holds, const char* property);

// What is true of every refusal: one line without control characters for people, one JSON object
// for programs, a rule, a class that is an exit code.
void judge(const Error& error);
template <class T>
bool accepted(const Result<T>& result) {
  if (!result) judge(result.error());
  return result.has_value();
}

// Calls the parser of a JSON value with the parsed text, if it is strict JSON at all.
template <class Parse>
void with_json(std::string_view input, Parse parse) {
  if (const auto json = parse_json(input); accepted(json)) parse(*json);
}

// JSON texts whose lists are cut to their first four values: what is small is read and changed more
// often.
std::vector<std::string> shortened(std::vector<std::string> texts);

// Changes one value of a JSON text in place; 0 when it is no JSON or the result does not fit.
std::size_t mutate_json(char* data, std::size_t size, std::size_t limit, unsigned seed);

}  // namespace casemate::fuzz
