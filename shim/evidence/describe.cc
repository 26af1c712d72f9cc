// A receipt for people.
#include <cstdio>

#include "shim/evidence/receipt.h"

namespace casemate::evidence {
namespace {

// Text from outside may hold anything: it is shown escaped.
std::string shown(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return printable(value.get_ref<const std::string&>());
  return printable(dump(value));
}

const Json& member(const Json& object, std::string_view key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto at = object.find(key);
  return at == object.end() ? kNull : *at;
}

void line(std::string& out, std::string_view label, const std::string& text) {
  std::string padded(label);
  padded.resize(12, ' ');
  out += padded + text + "\n";
}

std::string wiped(const Json& value) {
  if (!value.is_object()) return "not proven";
  const Json& seconds = member(value, "seconds");
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", seconds.is_number() ? seconds.get<double>() : 0.0);
  const bool more = member(value, "interrupted") == true;
  return (more ? "at least " : "") + shown(member(value, "bytes")) + " bytes in " +
         shown(member(value, "files")) + " files, " + text;
}

std::string dataset(const Json& value) {
  return shown(member(value, "id")) + " (serial " + shown(member(value, "serial")) + ", key " +
         shown(member(value, "slot")) + ", " + shown(member(value, "bytes")) + " bytes)";
}

std::string subject(const Json& statement) {
  const Json& all = member(statement, "subject");
  if (!all.is_array() || all.empty()) return "-";
  const std::string name = shown(member(all[0], "name"));
  if (name != "image") return "unverified";
  return "sha256:" + shown(member(member(all[0], "digest"), "sha256"));
}

}  // namespace

std::string describe_receipt(const Json& statement) {
  const Json& facts = member(statement, "predicate");
  const auto text = [&](std::string_view key) { return shown(member(facts, key)); };
  const auto inner = [&](std::string_view key, std::string_view part) {
    return shown(member(member(facts, key), part));
  };
  std::string out;
  line(out, "container", text("container"));
  line(out, "tenant", text("tenant"));
  line(out, "scheduler", text("scheduler"));
  line(out, "image", subject(statement));
  line(out, "signer", inner("image", "signer"));
  line(out, "profile", inner("profile", "name") + " " + inner("profile", "digest"));
  line(out, "plan", text("plan"));
  if (member(facts, "updatedPlan").is_string())
    line(out, "updated plan", text("updatedPlan") + ", " + inner("times", "updated"));
  const Json& datasets = member(facts, "datasets");
  if (datasets.is_array())
    for (const Json& each : datasets) line(out, "dataset", dataset(each));
  line(out, "gpu", text("gpu"));
  for (const char* when : {"created", "started", "ended", "wiped"})
    line(out, when, inner("times", when));
  line(out, "exit code", text("exitCode"));
  line(out, "overwritten", wiped(member(facts, "wiped")));
  line(out, "wardens", text("warden") + ", " + text("twin"));
  line(out, "host", inner("host", "kernel") + ", boot " + inner("host", "bootId"));
  return out;
}

}  // namespace casemate::evidence
