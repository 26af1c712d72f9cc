// Calls casemate-unseal as the runtime does, wipes what it delivered, prints both rates.
//   unseal_bench HELPER SEALED KEY.jwk KID TENANT.pub TENANT DATASET [CIPHER [THREADS]]
#include <fcntl.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "shim/base/clock.h"
#include "shim/base/json.h"
#include "shim/fs/host_file.h"
#include "shim/fs/wipe.h"
#include "shim/sys/helper.h"
#include "shim/sys/real_kernel.h"

namespace casemate {
namespace {

Status run(const std::vector<std::string>& args) {
  sys::RealKernel kernel;
  const UniqueFd sealed(::open(args[2].c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd key(::open(args[3].c_str(), O_RDONLY | O_CLOEXEC));
  if (!sealed || !key) return sys_error("open the sealed file or the key");
  const std::string pem = TRY(fs::read_file(kernel, args[5], 64 * 1024));
  Json request = {{"tenant", args[6]},
                  {"dataset", args[7]},
                  {"profile", "bench"},
                  {"maxBytes", std::uint64_t{1} << 44},
                  {"maxCriticality", "restricted"},
                  {"keys", {{{"kid", args[4]}}}},
                  {"tenantKeys", {{{"name", "bench"}, {"pem", pem}}}}};
  if (args.size() > 8) request["cipher"] = args[8];
  if (args.size() > 9) request["threads"] = std::strtoul(args[9].c_str(), nullptr, 10);
  const int fds[] = {sealed.get(), key.get()};
  const std::int64_t begun = monotonic_ns();
  UniqueFd holder;
  const auto take = [&](sys::HelperMessage given) -> Status {
    holder = std::move(given.fds.at(0));
    return {};
  };
  const auto reply = TRY(sys::call_helper(args[1], request, fds,
                                          {.deadline = std::chrono::minutes(10), .take = take}));
  // The helper's start, its key exchange and its end count as well: the peers' do.
  const double seconds = static_cast<double>(monotonic_ns() - begun) / 1e9;
  const Json& dataset = reply.body["dataset"];
  const auto wiped = TRY(fs::wipe_tree(kernel, holder.get()));
  std::printf("%.2f %s %.2f\n",
              static_cast<double>(dataset["bytes"].get<std::uint64_t>()) / (1U << 30) / seconds,
              dataset["cipher"].get<std::string>().c_str(),
              static_cast<double>(wiped.bytes) / (1U << 30) / wiped.seconds);
  return {};
}

}  // namespace
}  // namespace casemate

int main(int argc, char** argv) {
  if (argc < 8) return 2;
  const auto done = casemate::run({argv, argv + argc});
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().message().c_str());
  return done.error().exit_code();
}
