// libFuzzer's entry points. Besides libFuzzer's own options the program takes (they begin with two
// dashes, which libFuzzer leaves alone):
//   --targets            prints the names of all targets
//   --seeds=FOLDER       writes each target's seeds to FOLDER/<target>/
//   --target=NAME        what to run
#include <glob.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "shim/base/encoding.h"
#include "tests/fuzz/target.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t limit);

namespace casemate::fuzz {
namespace {

constexpr std::array kTables = {base_targets,   oci_targets,    policy_targets, plan_targets,
                                proc_targets,   cgroup_targets, run_targets,    evidence_targets,
                                warden_targets, image_targets,  dataset_targets};

const Target* g_target = nullptr;  // libFuzzer calls back without a context

template <class Visit>
void each_target(Visit visit) {
  for (const auto table : kTables)
    for (const Target& target : table()) visit(target);
}

[[noreturn]] void print_targets() {
  each_target([](const Target& target) { std::puts(target.name); });
  std::exit(0);
}

// Named by their content, as libFuzzer does it: the same seed twice is one file.
[[noreturn]] void write_seeds(const std::filesystem::path& folder) {
  each_target([&](const Target& target) {
    std::filesystem::create_directories(folder / target.name);
    for (const std::string& seed : target.seeds())
      std::ofstream(folder / target.name / sha256_hex(seed).substr(0, 40), std::ios::binary)
          << seed;
  });
  std::exit(0);
}

void choose(std::string_view name) {
  each_target([&](const Target& target) {
    if (name == target.name) g_target = &target;
  });
}

void take_option(std::string_view word) {
  if (word == "--targets") print_targets();
  if (word.starts_with("--seeds=")) write_seeds(word.substr(8));
  if (word.starts_with("--target=")) choose(word.substr(9));
}

bool has_control_characters(std::string_view text) {
  for (const unsigned char c : text)
    if (c < 0x20 || c == 0x7f) return true;
  return false;
}

}  // namespace

std::vector<std::string> files(const char* pattern) {
  const std::string whole =
      *pattern == '/' ? pattern : std::string(CASEMATE_SOURCE_DIR) + "/" + pattern;
  glob_t found{};
  expect(::glob(whole.c_str(), 0, nullptr, &found) == 0, pattern);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < found.gl_pathc; ++i) {
    std::ifstream file(found.gl_pathv[i], std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  ::globfree(&found);
  return texts;
}

void expect(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "property of %s does not hold: %s\n", g_target ? g_target->name : "seeds",
               property);
  std::abort();
}

void judge(const Error& error) {
  expect(!error.rule.empty(), "an error has a rule");
  expect(error.exit_code() >= 1 && error.exit_code() <= 4, "an error's class is an exit code");
  expect(!has_control_characters(error.message()), "an error is one line without control bytes");
  const std::string json = error.json("2026-01-02T03:04:05Z");
  expect(!has_control_characters(json), "an error's JSON is one line");
  expect(parse_json(json).has_value(), "an error's JSON is JSON");
}

}  // namespace casemate::fuzz

using casemate::fuzz::g_target;

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  for (int i = 1; i < *argc; ++i) casemate::fuzz::take_option((*argv)[i]);
  if (g_target != nullptr) return 0;
  std::fputs("no such target (--targets prints them): --target=NAME\n", stderr);
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  g_target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}

// Of changed bytes most are no JSON any more, and the parser behind it never sees them.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t limit, unsigned seed) {
  if (g_target->json && seed % 4 != 0) {
    const auto changed =
        casemate::fuzz::mutate_json(reinterpret_cast<char*>(data), size, limit, seed / 4);
    if (changed != 0) return changed;
  }
  return LLVMFuzzerMutate(data, size, limit);
}
