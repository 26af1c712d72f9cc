#include "shim/run/datasets.h"

#include <fcntl.h>

#include "shim/fs/host_file.h"
#include "shim/sys/helper.h"

namespace casemate::run {
namespace {

constexpr std::size_t kMaxKey = 16 << 10;
constexpr std::chrono::milliseconds kDeadline{3'600'000};

// Never followed into a FIFO or device: the helper gets a regular file or nothing.
Result<UniqueFd> open_regular(Runtime& runtime, const std::string& path) {
  const open_how how{.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC, .mode = 0, .resolve = 0};
  UniqueFd file = TRY(runtime.kernel.openat2(AT_FDCWD, path, how));
  const struct stat status = TRY(runtime.kernel.fstatat(file.get(), "", AT_EMPTY_PATH));
  if (S_ISREG(status.st_mode)) return file;
  return bad_input("dataset.source", path + " is not a regular file", "name the sealed file");
}

Result<Json> tenant_keys(Runtime& runtime, const std::string& name) {
  const policy::Tenant* tenant = runtime.config.tenant(name);
  Json keys = Json::array();
  if (tenant == nullptr) return keys;
  for (const std::string& path : tenant->keys)
    keys.push_back(
        {{"name", name}, {"pem", TRY(fs::read_trusted_file(runtime.kernel, path, kMaxKey))}});
  return keys;
}

// The mount is made on the host's side of a user namespace. An id that is not mapped stays: the job
// cannot have it.
std::uint32_t host_id(const std::vector<oci::IdMapping>& maps, std::uint32_t id) {
  for (const oci::IdMapping& map : maps)
    if (id >= map.container_id && id - map.container_id < map.size)
      return map.host_id + (id - map.container_id);
  return id;
}

Result<OpenedDataset> parse_reply(sys::HelperMessage reply, const std::string& id) {
  auto object = TRY(JsonObject::of(reply.body));
  auto facts = TRY(object.object("dataset"));
  TRY(facts.get<std::string>("id"));
  TRY(facts.get<std::string>("slot"));
  if (reply.fds.size() != 1) return internal("helper.reply", "casemate-unseal sent no dataset");
  return OpenedDataset{id, std::move(reply.fds[0]), facts.raw()};
}

}  // namespace

Result<OpenedDataset> open_dataset(Runtime& runtime, const policy::JobDataset& dataset,
                                   const VerifiedJob& job, const std::string& image_signer,
                                   const policy::Profile& profile, const oci::Spec& spec,
                                   const DatasetPlace& place) {
  const oci::Linux& section = spec.linux;
  const oci::User& owner = spec.process->user;
  const std::string& tenant = job.request.tenant;
  TRY(policy::tenant_may_use(runtime.config, tenant, dataset.id));
  std::vector<UniqueFd> files;
  files.push_back(TRY(open_regular(runtime, dataset.source)));
  Json slots = Json::array();
  for (const policy::KeySlot& slot : runtime.config.keys) {
    files.push_back(TRY(open_regular(runtime, slot.file)));
    slots.push_back({{"kid", slot.kid}});
  }
  const Json request = {{"tenant", tenant},
                        {"dataset", dataset.id},
                        {"profile", profile.name},
                        {"imageSigner", image_signer},
                        {"maxBytes", profile.dataset.max_bytes},
                        {"maxCriticality", policy::to_string(profile.dataset.max_criticality)},
                        {"keys", std::move(slots)},
                        {"tenantKeys", TRY(tenant_keys(runtime, tenant))},
                        {"minSerial", 0},
                        {"mount",
                         {{"uid", host_id(section.uid_mappings, owner.uid)},
                          {"gid", host_id(section.gid_mappings, owner.gid)},
                          {"mode", 0500},
                          {"label", section.mount_label}}}};
  std::vector<int> fds;
  for (const UniqueFd& file : files) fds.push_back(file.get());
  const auto take = [&](sys::HelperMessage given) -> Status {
    if (given.fds.size() != 1)
      return internal("helper.reply", "casemate-unseal handed over no mount");
    return place.hold(std::move(given.fds[0]));
  };
  return parse_reply(
      TRY(sys::call_helper(runtime.program("casemate-unseal"), request, fds,
                           {.deadline = kDeadline, .cgroups = place.cgroups, .take = take})),
      dataset.id);
}

}  // namespace casemate::run
