#include "shim/base/encoding.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

void json(std::string_view input) {
  with_json(input, [](const Json& value) {
    const auto again = parse_json(dump(value));
    expect(again && *again == value, "what was dumped is read back");
    const auto pretty = parse_json(dump_pretty(value));
    expect(pretty && *pretty == value, "what was dumped in lines is read back");
  });
}

// Two texts that mean the same bytes would make signatures and digests ambiguous.
void encodings(std::string_view input) {
  if (const auto bytes = from_base64(input); accepted(bytes))
    expect(to_base64(*bytes) == input, "base64 has one spelling");
  if (const auto bytes = from_base64url(input); accepted(bytes))
    expect(to_base64url(*bytes) == input, "base64url has one spelling");
  if (const auto bytes = from_hex(input); accepted(bytes))
    expect(to_hex(*bytes) == input, "hex has one spelling");
  const auto bytes = as_bytes(input);
  const auto back = from_base64url(to_base64url(bytes));
  expect(back && as_text(*back) == input, "base64url gives the bytes back");
}

void printable_text(std::string_view input) {
  judge(bad_input("fuzz", std::string(input), std::string(input), std::string(input)).error());
  const std::string shown = printable(input);
  for (const unsigned char c : shown) expect(c >= 0x20 && c != 0x7f, "no control byte is printed");
  expect(parse_json(Json(shown).dump()).has_value(), "what is printed is UTF-8");
}

const Target kTargets[] = {
    {.name = "base.json",
     .run = json,
     .seeds =
         [] {
           return std::vector<std::string>{R"({"a":[1,-2,0.5,1e9,"é\u0001",null,true,{"b":{}}]})",
                                           std::string(40, '[') + std::string(40, ']'),
                                           R"({"a":1,"a":2})", "\"\\ud800\"", "1e999"};
         },
     .json = true},
    {.name = "base.encodings",
     .run = encodings,
     .seeds = [] { return std::vector<std::string>{"AA==", "AAE", "00ff", "_-8", "AB"}; }},
    {.name = "base.printable",
     .run = printable_text,
     .seeds =
         [] {
           return std::vector<std::string>{"a\nb\x1b[2J", "\xc2\x85 \xe2\x80\xae \xed\xa0\x80",
                                           "\\"};
         }},
};

}  // namespace

std::span<const Target> base_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
