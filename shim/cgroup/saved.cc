// A Cgroup as JSON, for state files and for the warden.
#include <fcntl.h>

#include "shim/cgroup/cgroup.h"
#include "shim/cgroup/files.h"
#include "shim/cgroup/paths.h"

namespace casemate::cgroup {

Json Cgroup::to_json() const {
  Json places = Json::array();
  for (const Place& place : places_) {
    Json saved = {{"mount", place.hierarchy.mount_point},
                  {"controllers", place.hierarchy.controllers},
                  {"v2", place.hierarchy.v2},
                  {"path", place.path},
                  {"device", place.device},
                  {"inode", place.inode},
                  {"madeParents", place.made_parents}};
    if (place.managed) saved["managed"] = true;
    places.push_back(std::move(saved));
  }
  return {{"places", std::move(places)}};
}

Result<Cgroup> Cgroup::from_json(sys::Kernel& kernel, const Json& saved) {
  Cgroup loaded(kernel);
  auto object = TRY(JsonObject::of(saved));
  for (JsonObject& one : TRY(object.objects("places"))) {
    Place place;
    place.hierarchy.mount_point = TRY(one.get<std::string>("mount"));
    place.hierarchy.controllers = TRY(one.get<std::vector<std::string>>("controllers"));
    place.hierarchy.v2 = TRY(one.get<bool>("v2"));
    // The same rules as for a path from outside: state files may be damaged.
    place.path = TRY(leaf_path(place.hierarchy, false, "/" + TRY(one.get<std::string>("path"))));
    place.device = TRY(one.get<std::uint64_t>("device"));
    place.inode = TRY(one.get<std::uint64_t>("inode"));
    place.made_parents = static_cast<unsigned>(TRY(one.get<std::uint64_t>("madeParents")));
    place.managed = TRY(one.get_or<bool>("managed", false));
    TRY(one.done());
    place.mount = TRY(open_mount_point(kernel, place.hierarchy.mount_point));
    TRY(check_magic(place.mount.get(), place.hierarchy.v2, place.hierarchy.mount_point));
    const auto device = place.device, inode = place.inode;
    const auto status = loaded.open_leaf(place);
    if (!status && status.error().sys_errno != ENOENT) return std::unexpected(status.error());
    if (place.device != device || place.inode != inode) place.leaf.reset();
    loaded.places_.push_back(std::move(place));
  }
  TRY(object.done());
  return loaded;
}

}  // namespace casemate::cgroup
