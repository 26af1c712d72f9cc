#include "shim/sys/helper.h"
#include "shim/warden/container_dir.h"
#include "shim/warden/journal.h"
#include "shim/warden/protocol.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

void message(std::string_view input) {
  with_json(input, [](const Json& body) {
    const auto parsed = warden::parse_message(body);
    if (accepted(parsed) && parsed->op == warden::Message::Op::open)
      expect(warden::parse_message(warden::to_json(parsed->open)).has_value(), "open is read back");
    if (accepted(parsed) && parsed->op == warden::Message::Op::hold)
      expect(warden::parse_message(warden::to_json(parsed->hold)).has_value(), "hold is read back");
  });
}

void reply(std::string_view input) {
  with_json(input, [](const Json& body) {
    static_cast<void>(accepted(warden::open_reply(body)));
    const Error error = sys::error_from_json(body);
    judge(error);
    const Error again = sys::error_from_json(sys::error_to_json(error));
    expect(again.rule == error.rule && again.cls == error.cls, "an error is read back");
  });
}

void journal(std::string_view input) {
  const auto entries = warden::parse_journal(input);
  if (!accepted(entries)) return;
  std::uint64_t seq = 0;
  for (const warden::JournalEntry& entry : *entries) {
    expect(entry.seq == ++seq, "entries are numbered without gaps");
    expect(entry.state.has_value() == entry.intent.empty(), "a state or an intent");
    expect(entry.detail.is_object(), "the detail is an object");
  }
}

template <class Record>
void record(std::string_view input) {
  with_json(input, [](const Json& json) {
    const auto parsed = Record::from_json(json);
    if (!accepted(parsed)) return;
    const Json written = parsed->to_json();
    const auto text = parse_json(dump(written));
    expect(text.has_value(), "a record is strict JSON");
    const auto again = Record::from_json(*text);
    expect(again && again->to_json() == written, "a record that was written is read back");
  });
}

void state(std::string_view input) {
  record<warden::StateRecord>(input);
  with_json(input, [](const Json& json) {
    if (const auto parsed = warden::StateRecord::from_json(json))
      expect(parsed->extra.is_object(), "further facts are an object");
  });
}

void id(std::string_view input) {
  const Status good = warden::check_id(input);
  if (!accepted(good)) return;
  expect(input.find('/') == std::string_view::npos && input != ".." && input != ".",
         "an id is one path component");
}

std::vector<std::string> message_seeds() {
  warden::Open open;
  open.id = "a";
  open.root = "/run";
  open.evidence = {.audit = "/a", .receipts = "/r", .keys = "/k"};
  return {
      dump(warden::to_json(open)),
      dump(warden::to_json(warden::Hold{.what = "init", .data = {{"pid", 7}}})),
      dump(warden::to_json(warden::Hold{.what = "cgroup", .data = {{"saved", Json::object()}}})),
      R"({"op":"commit","facts":{"a":1}})",
      R"({"op":"start"})",
      R"({"op":"kill","signal":9})",
      R"({"op":"wait","for":"WIPED"})",
      R"({"op":"updated","plan":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","profile":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","tainted":false})"};
}

const Target kTargets[] = {
    {.name = "warden.message", .run = message, .seeds = message_seeds, .json = true},
    {.name = "warden.reply",
     .run = reply,
     .seeds =
         [] {
           return std::vector<std::string>{
               dump(warden::ok_reply()),
               dump(warden::error_reply(denied("a.b", "no", "do").error())),
               dump(sys::error_to_json(denied("a.b", "no", "do", "/x").error()))};
         },
     .json = true},
    {.name = "warden.journal",
     .run = journal,
     .seeds =
         [] {
           return std::vector<std::string>{
               R"({"seq":1,"time":"2026-01-02T03:04:05Z","state":"STAGED","detail":{}})"
               "\n"
               R"({"seq":2,"time":"2026-01-02T03:04:05Z","intent":"cgroup","detail":{"a":1}})"
               "\n"};
         }},
    {.name = "warden.state",
     .run = state,
     .seeds =
         [] {
           warden::StateRecord record;
           record.id = "a";
           record.annotations = {{"a", "b"}};
           record.extra = {{"laterHooks", {"poststop"}}};
           return std::vector<std::string>{dump(record.to_json())};
         },
     .json = true},
    {.name = "warden.result",
     .run = record<warden::EndRecord>,
     .seeds =
         [] {
           warden::EndRecord ended;
           ended.exit_code = 137;
           ended.wipe_seconds = 0.5;
           return std::vector<std::string>{dump(ended.to_json())};
         },
     .json = true},
    {.name = "warden.id",
     .run = id,
     .seeds = [] { return std::vector<std::string>{"a", "..", "a/b", "A_z+0.-9"}; }},
};

}  // namespace

std::span<const Target> warden_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
