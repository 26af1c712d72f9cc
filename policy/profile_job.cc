// The sections of a profile that bound the job: its program, image, data, GPU and host.
#include "policy/profile_parse.h"

namespace casemate::policy::detail {
namespace {

constexpr std::string_view kFacts[] = {"selinux", "cgroup-v2",    "tmpfs-noswap",
                                       "no-swap", "init-on-free", "memfd-secret"};

constexpr std::string_view kPersonalities[] = {"LINUX32"};

// "5.10" -> 5 and 10.
Status parse_kernel(JsonObject& section, HostRules& out) {
  const auto text = TRY(section.get<std::string>("min_kernel"));
  int parts[2] = {0, 0};
  std::size_t part = 0;
  std::size_t digits = 0;
  bool good = text.size() <= 7;
  for (const char c : text) {
    if (c == '.' && part == 0 && digits > 0) {
      part = 1;
      digits = 0;
    } else if (c >= '0' && c <= '9' && good) {
      parts[part] = parts[part] * 10 + (c - '0');
      ++digits;
    } else {
      good = false;
    }
  }
  if (!good || part != 1 || digits == 0)
    return bad_input("profile.number", "kernel version \"" + printable(text) + "\"",
                     "write it like 5.10", section.pointer_to("min_kernel"));
  out.min_kernel_major = parts[0];
  out.min_kernel_minor = parts[1];
  return {};
}

}  // namespace

Status parse_hooks(JsonObject section, Profile& out) {
  out.hooks.allowed = TRY(get_word<HookSource>(section, "allowed",
                                               {{"none", HookSource::none},
                                                {"host-list", HookSource::host_list},
                                                {"unsafe_any", HookSource::unsafe_any}}));
  return section.done();
}

Status parse_process(JsonObject section, Profile& out) {
  out.process.args_from = TRY(get_word<ArgsFrom>(
      section, "args_from", {{"image-or-job", ArgsFrom::image_or_job}, {"any", ArgsFrom::any}}));
  out.process.terminal = TRY(section.get<bool>("terminal"));
  out.process.notify = TRY(section.get_or("notify", false));
  if (section.has("personalities"))
    out.process.personalities = TRY(get_words(section, "personalities", kPersonalities));
  return section.done();
}

Status parse_env(JsonObject section, Profile& out) {
  out.env.denied = TRY(get_name_patterns(section, "denied"));
  out.env.dropped = TRY(get_name_patterns(section, "dropped"));
  out.env.engine = TRY(get_list(section, "engine"));
  return section.done();
}

Status parse_network(JsonObject section, Profile& out) {
  out.network.mode = TRY(get_word<NetworkMode>(section, "mode",
                                               {{"none", NetworkMode::none},
                                                {"own", NetworkMode::own},
                                                {"unsafe_host", NetworkMode::unsafe_host}}));
  return section.done();
}

Status parse_rootfs(JsonObject section, Profile& out) {
  out.rootfs.readonly = TRY(section.get<bool>("readonly"));
  out.rootfs.tmpfs_upper = TRY(section.get<bool>("tmpfs_upper"));
  out.rootfs.upper_bytes = TRY(section.get_or<std::uint64_t>("upper_bytes", 0));
  if (out.rootfs.tmpfs_upper && out.rootfs.upper_bytes < (1U << 20))
    return bad_input("profile.number", "a tmpfs upper of less than 1 MiB",
                     "set upper_bytes, or tmpfs_upper to false", section.pointer_to("upper_bytes"));
  return section.done();
}

Status parse_image(JsonObject section, Profile& out) {
  out.image.level = TRY(get_word<ImageLevel>(section, "level",
                                             {{"none", ImageLevel::none},
                                              {"chain", ImageLevel::chain},
                                              {"content", ImageLevel::content}}));
  out.image.signers = TRY(get_name_patterns(section, "signers"));
  out.image.engine_files = TRY(get_paths(section, "engine_files"));
  return section.done();
}

Status parse_dataset(JsonObject section, Profile& out) {
  out.dataset.allowed = TRY(section.get<bool>("allowed"));
  out.dataset.max_bytes = TRY(section.get<std::uint64_t>("max_bytes"));
  out.dataset.max_criticality =
      TRY(get_word<Criticality>(section, "max_criticality",
                                {{"public", Criticality::public_},
                                 {"internal", Criticality::internal},
                                 {"confidential", Criticality::confidential},
                                 {"restricted", Criticality::restricted}}));
  out.dataset.targets = TRY(get_path_patterns(section, "targets"));
  if (out.dataset.allowed && out.image.level == ImageLevel::none)
    return bad_input("profile.contradiction", "datasets without image verification",
                     "set image.level to chain or content", section.pointer_to("allowed"));
  return section.done();
}

Status parse_gpu(JsonObject section, Profile& out) {
  const auto count = TRY(section.get<std::uint64_t>("count"));
  if (count > 1)
    return bad_input("profile.number", "more than one GPU", "count is 0 or 1",
                     section.pointer_to("count"));
  out.gpu.count = static_cast<int>(count);
  return section.done();
}

Status parse_host(JsonObject section, Profile& out) {
  TRY(parse_kernel(section, out.host));
  out.host.facts = TRY(get_words(section, "facts", kFacts));
  return section.done();
}

Status parse_exec(JsonObject section, Profile& out) {
  out.exec.allowed = TRY(section.get<bool>("allowed"));
  return section.done();
}

}  // namespace casemate::policy::detail
