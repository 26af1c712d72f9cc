#include "policy/host_config.h"

#include <algorithm>

#include "policy/match.h"
#include "shim/base/json.h"

namespace casemate::policy {
namespace {

bool is_plain_path(std::string_view path) {
  return is_path_pattern(path) && !path.ends_with("/*") &&
         std::ranges::none_of(path, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Status check_path(const std::string& path, const std::string& pointer) {
  if (is_plain_path(path)) return {};
  return bad_input("host.path", "\"" + printable(path) + "\"",
                   "write an absolute path without \"..\" and wildcards", pointer);
}

Result<std::string> get_path(JsonObject& object, std::string_view key) {
  auto path = TRY(object.get<std::string>(key));
  TRY(check_path(path, object.pointer_to(key)));
  return path;
}

Result<std::vector<std::string>> get_paths(JsonObject& object, std::string_view key,
                                           std::vector<std::string> fallback) {
  auto paths = TRY(object.get_or(key, std::move(fallback)));
  for (const auto& path : paths) TRY(check_path(path, object.pointer_to(key)));
  return paths;
}

bool is_image_pattern(std::string_view pattern) {
  const std::string_view word =
      pattern.ends_with("/*") ? pattern.substr(0, pattern.size() - 2) : pattern;
  return !word.empty() && word.find_first_of("*?[]{}@\\ ") == std::string_view::npos &&
         !word.ends_with('/') && word.find("//") == std::string_view::npos &&
         word.find("..") == std::string_view::npos;
}

Result<std::vector<std::string>> get_images(JsonObject& object, std::string_view key) {
  auto images = TRY(object.get<std::vector<std::string>>(key));
  for (const auto& pattern : images)
    if (!is_image_pattern(pattern))
      return bad_input("host.image-pattern", "\"" + printable(pattern) + "\"",
                       "write a repository, or a prefix and a final \"/*\"",
                       object.pointer_to(key));
  return images;
}

Result<std::string> get_name(JsonObject& object, std::string_view key) {
  auto name = TRY(object.get<std::string>(key));
  const bool bad = name.empty() || std::ranges::any_of(name, [](unsigned char c) {
                     return c <= 0x20 || c == 0x7f || c == '*' || c == '"';
                   });
  if (bad)
    return bad_input("host.name", "\"" + printable(name) + "\"",
                     "a name without spaces, quotes and \"*\"", object.pointer_to(key));
  return name;
}

template <class T, class Field>
Status check_unique(const std::vector<T>& items, Field field, std::string_view section) {
  for (std::size_t i = 0; i < items.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (items[i].*field == items[j].*field)
        return bad_input("host.duplicate", "\"" + printable(items[i].*field) + "\" is given twice",
                         "keep one", "/" + std::string(section) + "/" + std::to_string(i));
  return {};
}

Result<Signer> parse_signer(JsonObject object) {
  Signer signer;
  signer.name = TRY(get_name(object, "name"));
  signer.key = TRY(get_path(object, "key"));
  TRY(object.done());
  return signer;
}

Result<Scheduler> parse_scheduler(JsonObject object) {
  Scheduler scheduler;
  scheduler.name = TRY(get_name(object, "name"));
  scheduler.key = TRY(get_path(object, "key"));
  scheduler.tenants = TRY(object.get<std::vector<std::string>>("tenants"));
  scheduler.profiles = TRY(object.get<std::vector<std::string>>("profiles"));
  scheduler.images = TRY(get_images(object, "images"));
  TRY(object.done());
  return scheduler;
}

Result<Tenant> parse_tenant(JsonObject object) {
  Tenant tenant;
  tenant.name = TRY(get_name(object, "name"));
  tenant.keys = TRY(get_paths(object, "keys", {}));
  tenant.datasets = TRY(object.get_or<std::vector<std::string>>("datasets", {}));
  for (const auto& pattern : tenant.datasets)
    if (!is_name_pattern(pattern))
      return bad_input("host.pattern", "\"" + printable(pattern) + "\"",
                       "\"*\" may only stand at the end", object.pointer_to("datasets"));
  TRY(object.done());
  return tenant;
}

Result<KeySlot> parse_key(JsonObject object) {
  KeySlot slot;
  slot.kid = TRY(get_name(object, "kid"));
  slot.file = TRY(get_path(object, "file"));
  TRY(object.done());
  return slot;
}

Result<HookProgram> parse_hook(JsonObject object) {
  HookProgram hook;
  hook.path = TRY(get_path(object, "path"));
  hook.sha256 = TRY(object.find<std::string>("sha256"));
  const bool good =
      !hook.sha256 || (hook.sha256->size() == 64 &&
                       hook.sha256->find_first_not_of("0123456789abcdef") == std::string::npos);
  if (!good)
    return bad_input("host.sha256", "\"" + printable(*hook.sha256) + "\"",
                     "write 64 lower-case hex digits", object.pointer_to("sha256"));
  TRY(object.done());
  return hook;
}

Result<SelectionRule> parse_rule(JsonObject object) {
  SelectionRule rule;
  rule.job = TRY(object.find<bool>("job"));
  rule.has_tenants = object.has("tenants");
  if (rule.has_tenants) rule.tenants = TRY(object.get<std::vector<std::string>>("tenants"));
  rule.has_images = object.has("images");
  if (rule.has_images) rule.images = TRY(get_images(object, "images"));
  rule.profile = TRY(object.get_or<std::string>("profile", {}));
  rule.deny = TRY(object.get_or("deny", false));
  TRY(object.done());
  if (rule.deny == !rule.profile.empty())
    return bad_input("host.rule", "a rule either names a profile or denies", {}, object.pointer());
  return rule;
}

Status check_rules(const std::vector<SelectionRule>& rules) {
  const bool ends = !rules.empty() && rules.back().deny && !rules.back().job &&
                    !rules.back().has_tenants && !rules.back().has_images;
  if (ends) return {};
  return bad_input("host.last-rule", "the last rule is not a plain deny",
                   "end \"rules\" with {\"deny\": true}", "/rules");
}

Result<HostPaths> parse_paths(JsonObject object) {
  HostPaths paths;
  paths.profiles = TRY(get_paths(object, "profiles", paths.profiles));
  paths.layouts = TRY(get_paths(object, "layouts", paths.layouts));
  if (object.has("state")) paths.state = TRY(get_path(object, "state"));
  if (object.has("data")) paths.data = TRY(get_path(object, "data"));
  TRY(object.done());
  return paths;
}

template <class T>
Result<std::vector<T>> parse_list(JsonObject& object, std::string_view key,
                                  Result<T> (*parse)(JsonObject)) {
  std::vector<T> out;
  for (auto& element : TRY(object.objects(key))) out.push_back(TRY(parse(element)));
  return out;
}

template <class T, class Field>
const T* by_name(const std::vector<T>& items, Field field, std::string_view name) {
  const auto at = std::ranges::find(items, name, field);
  return at == items.end() ? nullptr : &*at;
}

bool rule_matches(const SelectionRule& rule, const Selection& selection) {
  if (rule.job && *rule.job != (selection.job != nullptr)) return false;
  const auto& tenant = selection.job != nullptr ? selection.job->tenant : selection.tenant;
  if (rule.has_tenants && !contains(rule.tenants, tenant)) return false;
  if (!rule.has_images) return true;
  // Only a verified request says which image it is; an engine's own word does not count.
  if (selection.job == nullptr) return false;
  const auto& repository = selection.job->image_repository;
  return std::ranges::any_of(rule.images,
                             [&](const auto& p) { return image_matches(p, repository); });
}

}  // namespace

const Scheduler* HostConfig::scheduler(std::string_view name) const {
  return by_name(schedulers, &Scheduler::name, name);
}
const Signer* HostConfig::signer(std::string_view name) const {
  return by_name(signers, &Signer::name, name);
}
const Tenant* HostConfig::tenant(std::string_view name) const {
  return by_name(tenants, &Tenant::name, name);
}
const KeySlot* HostConfig::key(std::string_view kid) const {
  return by_name(keys, &KeySlot::kid, kid);
}

Result<HostConfig> parse_host_config(std::string_view text) {
  const Json json = TRY(parse_json(text));
  auto object = TRY(JsonObject::of(json));
  HostConfig out;
  TRY(object.find<std::string>("$schema"));
  const auto version = TRY(object.get<std::int64_t>("version"));
  if (version != 1)
    return bad_input("host.version", "configuration version " + std::to_string(version),
                     "this casemate reads version 1", "/version");
  if (auto paths = TRY(object.find_object("paths"))) out.paths = TRY(parse_paths(*paths));
  out.signers = TRY(parse_list<Signer>(object, "signers", parse_signer));
  out.schedulers = TRY(parse_list<Scheduler>(object, "schedulers", parse_scheduler));
  out.tenants = TRY(parse_list<Tenant>(object, "tenants", parse_tenant));
  out.keys = TRY(parse_list<KeySlot>(object, "keys", parse_key));
  out.hooks = TRY(parse_list<HookProgram>(object, "hooks", parse_hook));
  out.rules = TRY(parse_list<SelectionRule>(object, "rules", parse_rule));
  TRY(object.done());
  TRY(check_unique(out.signers, &Signer::name, "signers"));
  TRY(check_unique(out.schedulers, &Scheduler::name, "schedulers"));
  TRY(check_unique(out.tenants, &Tenant::name, "tenants"));
  TRY(check_unique(out.keys, &KeySlot::kid, "keys"));
  TRY(check_unique(out.hooks, &HookProgram::path, "hooks"));
  TRY(check_rules(out.rules));
  return out;
}

bool image_matches(std::string_view pattern, std::string_view repository) {
  if (!pattern.ends_with("/*")) return !pattern.empty() && pattern == repository;
  const std::string_view prefix = pattern.substr(0, pattern.size() - 1);  // with the slash
  return prefix.size() > 1 && repository.size() > prefix.size() && repository.starts_with(prefix);
}

Result<std::string> select_profile(const HostConfig& config, const Selection& selection) {
  for (const auto& rule : config.rules) {
    if (!rule_matches(rule, selection)) continue;
    if (rule.deny) break;
    const bool other = selection.job != nullptr && selection.job->profile != rule.profile;
    if (other)
      return denied("selection.profile",
                    "the job asks for profile \"" + printable(selection.job->profile) +
                        "\", the host's rules give \"" + rule.profile + "\"",
                    "sign the job for profile " + rule.profile, "/profile");
    return rule.profile;
  }
  const std::string who = selection.job
                              ? "a job of tenant \"" + printable(selection.job->tenant) + "\""
                              : "a container without a job request";
  return denied("selection.denied", "no rule of the host lets " + who + " run",
                "add a rule for it to casemate.json, before the last");
}

Status scheduler_may(const HostConfig& config, std::string_view name, const JobRequest& job) {
  const Scheduler* scheduler = config.scheduler(name);
  const std::string who = "scheduler \"" + printable(name) + "\"";
  if (scheduler == nullptr)
    return denied("job.scheduler", who + " is not known here",
                  "add it and its key to \"schedulers\" in casemate.json");
  if (!contains(scheduler->tenants, job.tenant))
    return denied("job.tenant", who + " may not sign for tenant \"" + printable(job.tenant) + "\"",
                  "add the tenant to the scheduler in casemate.json", "/tenant");
  if (!contains(scheduler->profiles, job.profile))
    return denied("job.profile",
                  who + " may not sign for profile \"" + printable(job.profile) + "\"",
                  "it may ask for " + joined(scheduler->profiles), "/profile");
  const auto allowed = [&](const auto& p) { return image_matches(p, job.image_repository); };
  if (!std::ranges::any_of(scheduler->images, allowed))
    return denied("job.image",
                  who + " may not sign for image \"" + printable(job.image_repository) + "\"",
                  "it may sign for " + joined(scheduler->images), "/image/repository");
  return {};
}

Status tenant_may_use(const HostConfig& config, std::string_view name, std::string_view dataset) {
  const Tenant* tenant = config.tenant(name);
  if (tenant != nullptr && name_matches_any(tenant->datasets, dataset)) return {};
  return denied(
      "dataset.tenant",
      "dataset \"" + printable(dataset) + "\" is not one of tenant \"" + printable(name) + "\"",
      "add it to the tenant in casemate.json, or ask its owner", "/datasets");
}

}  // namespace casemate::policy
