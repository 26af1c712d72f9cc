// Rules about namespaces, the network and the propagation of the root.
#include <algorithm>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

using oci::NamespaceType;

bool listed(const std::vector<NamespaceType>& types, NamespaceType type) {
  return std::ranges::find(types, type) != types.end();
}

// Names of the runtime's or the host's own namespaces. (Another pid of the host can be given too:
// whoever joins compares the namespace with its own before use.)
bool names_the_host(std::string_view path) {
  for (const char* folder : {"/proc/1", "/proc/self", "/proc/thread-self"})
    if (path_within(folder, path)) return true;
  return false;
}

void judge_one(Judgement& j, const oci::Namespace& ns, const std::string& pointer) {
  if (ns.path.empty()) return;
  const std::string name(to_string(ns.type));
  if (ns.type == NamespaceType::mount)
    // All that casemate mounts would be made in the other container, outlive ours, and could be
    // changed there after it was read back: there is nothing that a profile could allow.
    j.deny("namespaces.mount", pointer, "the mount namespace " + ns.path, "a new mount namespace",
           "share folders by bind mounts instead");
  else if (!listed(j.profile.namespaces.join, ns.type))
    j.deny("namespaces.join", pointer, "the " + name + " namespace " + ns.path,
           "a new " + name + " namespace", "do not share this namespace with another container");
  else if (names_the_host(ns.path) || names_the_host(j.resolved(ns.path)))
    j.deny("namespaces.host-path", pointer, "the " + name + " namespace " + ns.path,
           "namespaces of containers", "do not join a namespace of the host");
}

void judge_required(Judgement& j, NamespaceType type) {
  auto& linux_section = j.spec.linux;
  if (linux_section.has(type)) return;
  const std::string name(to_string(type));
  // Engines of cgroup v1 hosts leave it out by default; a new one breaks nothing.
  if (type == NamespaceType::cgroup) {
    linux_section.namespaces.push_back({type, {}});
    j.tighten("namespaces.required", "/linux/namespaces", "the host's cgroup namespace",
              "a new cgroup namespace", "");
    return;
  }
  j.deny("namespaces.required", "/linux/namespaces", "the host's " + name + " namespace",
         "a " + name + " namespace of its own", "run without --" + name + "=host");
}

void judge_network(Judgement& j) {
  const oci::Namespace* network = j.spec.linux.find(NamespaceType::network);
  const NetworkMode mode = j.profile.network.mode;
  if (network == nullptr && mode != NetworkMode::unsafe_host)
    j.deny("network.host", "/linux/namespaces", "the host's network",
           "a network namespace of its own", "run without --network=host");
  if (network != nullptr && !network->path.empty() && mode == NetworkMode::none)
    j.deny("network.none", "/linux/namespaces", "the network namespace " + network->path,
           "a new, empty network namespace", "run with --network=none");
}

void judge_root_propagation(Judgement& j) {
  const auto& asked = j.spec.linux.rootfs_propagation;
  if (asked.empty() || contains(j.profile.mounts.propagation, asked)) return;
  j.deny("mounts.propagation", "/linux/rootfsPropagation", asked,
         joined(j.profile.mounts.propagation), "leave rootfsPropagation out");
}

}  // namespace

void judge_namespaces(Judgement& j) {
  for (std::size_t i = 0; i < j.spec.linux.namespaces.size(); ++i)
    judge_one(j, j.spec.linux.namespaces[i], "/linux/namespaces/" + std::to_string(i));
  if (!listed(j.profile.namespaces.required, NamespaceType::mount))
    judge_required(j, NamespaceType::mount);
  for (const auto type : j.profile.namespaces.required)
    if (type != NamespaceType::network) judge_required(j, type);
  judge_network(j);
  judge_root_propagation(j);
}

}  // namespace casemate::policy
