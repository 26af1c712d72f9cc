// Other limits for a control group in use: all of them, or what was before.
#include "shim/cgroup/cgroup.h"
#include "shim/cgroup/files.h"

namespace casemate::cgroup {

Result<std::vector<std::string>> Cgroup::present_values(const std::vector<Target>& all) const {
  std::vector<std::string> values;
  for (const Target& one : all) {
    auto text = read_one(one);
    // A controller of v2 that is still off has no files; it has no limits either.
    if (!text && text.error().sys_errno != ENOENT) return std::unexpected(std::move(text.error()));
    std::string value = text ? value_to_restore(one.setting, *text) : std::string();
    // v2: an empty set is the parent's, and one write of nothing would be no write at all.
    if (text && value.empty() && one.setting.compare == Compare::list) value = "\n";
    values.push_back(std::move(value));
  }
  return values;
}

// One that cannot be written must not keep the others from it; see write_targets() for the rounds.
void Cgroup::write_back(const std::vector<Target>& all, const std::vector<std::string>& values) {
  std::vector<Target> left;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (values[i].empty()) continue;
    left.push_back(all[i]);
    left.back().setting.value = values[i];
  }
  while (!left.empty()) {
    std::vector<Target> again;
    for (Target& one : left)
      if (!write_one(one)) again.push_back(std::move(one));
    if (again.size() == left.size()) return;
    left = std::move(again);
  }
}

Status Cgroup::undo(const Undo& before) {
  TRY(require_present());
  const auto all = TRY(targets(before.asked));
  write_back(all, before.values);
  std::string differs;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Setting& setting = all[i].setting;
    const std::string& value = before.values[i];
    const auto text = read_one(all[i]);
    const bool as_before = value.empty() ? !text || !holds(setting, *text)
                                         : text && value_to_restore(setting, *text) == trim(value);
    if (as_before) continue;
    differs += (differs.empty() ? "" : ", ") + setting.file + " is " +
               (text ? std::string(trim(*text)) : "unreadable");
  }
  if (differs.empty()) return {};
  return internal("cgroup.restore", "old limits could not be restored: " + differs,
                  "update the container again");
}

Result<Cgroup::Undo> Cgroup::change(const oci::Resources& asked) {
  TRY(require_present());
  Undo before{.asked = asked, .values = TRY(present_values(TRY(targets(asked))))};
  Status changed = limit(asked);
  if (changed) changed = check_limits(asked);
  if (changed) return before;
  Error error = std::move(changed.error());
  const Status undone = undo(before);
  const std::string hint = error.rule == "cgroup.readback" ? "" : error.hint + "; ";
  error.hint = undone ? hint + "the old limits stand" : undone.error().what;
  return std::unexpected(std::move(error));
}

}  // namespace casemate::cgroup
