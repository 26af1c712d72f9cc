#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <climits>
#include <cstdio>

#include "shim/base/json.h"
#include "shim/ctl/image_args.h"
#include "shim/ctl/image_commands.h"
#include "shim/ctl/image_reference.h"
#include "shim/fs/host_file.h"
#include "shim/sys/helper.h"
#include "shim/sys/real_kernel.h"

namespace casemate::ctl {
namespace {

constexpr std::size_t kMaxKey = 4096;
constexpr std::chrono::minutes kDeadline{30};

std::string helper_program(const ImageArgs& options) {
  if (options.has("helper")) return options.get("helper");
  std::array<char, PATH_MAX> path;
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string self(path.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
  std::string beside = self.substr(0, self.rfind('/') + 1) + "casemate-verify";
  if (::access(beside.c_str(), X_OK) == 0) return beside;
  return "/usr/libexec/casemate/casemate-verify";
}

// --key FILE or --key NAME=FILE.
Result<Json> signers(const ImageArgs& options) {
  sys::RealKernel kernel;
  Json out = Json::array();
  for (const auto& value : options.all("key")) {
    const auto equals = value.find('=');
    const auto file = equals == value.npos ? value : value.substr(equals + 1);
    const auto pem = TRY(fs::read_file(kernel, file, kMaxKey));
    out.push_back({{"name", value.substr(0, equals)}, {"key_pem", pem}});
  }
  if (!out.empty()) return out;
  return bad_input("cli.usage", "option --key is missing", "name the signer's public key");
}

// The helper has parsed what others wrote: its answer is checked like any input.
Status print(const Json& reply) {
  auto verdict = TRY(JsonObject::of(reply));
  const auto number = [&](const char* key) -> Result<double> {
    return verdict.get_or<double>(key, 0.0);
  };
  const auto digest = TRY(verdict.get_or<std::string>("digest", ""));
  const auto signer = TRY(verdict.get_or<std::string>("signer", ""));
  const double layers = TRY(number("layers")), files = TRY(number("files"));
  const double megabytes = TRY(number("bytes")) / 1e6, seconds = TRY(number("seconds"));
  std::printf("verified %s\n", printable(digest).c_str());
  std::printf("signer   %s\n", printable(signer).c_str());
  std::printf("layers   %.0f, %.0f files compared, %.1f MB hashed in %.2f s\n", layers, files,
              megabytes, seconds);
  return {};
}

}  // namespace

Status image_verify(std::span<const std::string_view> args) {
  const ImageSyntax syntax{
      .usage =
          "image verify --layout DIR (--digest D | --tag T) --key [NAME=]FILE "
          "[--repository R] [--rootfs DIR] [--extra PATTERN] [--json]",
      .with_value = {"layout", "digest", "tag", "key", "repository", "rootfs", "extra", "helper"},
      .flags = {"json"}};
  const auto options = TRY(parse_image_args(syntax, args));
  const auto layout_path = TRY(options.require("layout"));
  const auto layout = TRY(open_layout(layout_path));
  std::vector<int> fds = {layout.get()};
  UniqueFd rootfs;
  if (options.has("rootfs")) {
    sys::RealKernel kernel;
    rootfs = TRY(fs::open_directory(kernel, options.get("rootfs")));
    fds.push_back(rootfs.get());
  }
  const Json request = {{"op", "image"},
                        {"digest", TRY(wanted_digest(layout.get(), options))},
                        {"repository", options.get("repository")},
                        {"level", rootfs ? "content" : "chain"},
                        {"signers", TRY(signers(options))},
                        {"engineFiles", options.all("extra")},
                        {"mountPoints", Json::array()}};
  const auto reply =
      TRY(sys::call_helper(helper_program(options), request, fds, {.deadline = kDeadline}));
  if (!options.has("json")) return print(reply.body);
  std::fputs(dump_pretty(reply.body).c_str(), stdout);
  return {};
}

}  // namespace casemate::ctl
