#include <random>

#include "tests/unit/hooks/dataset/support.h"

namespace casemate::dataset {
namespace {

using namespace testing;

class Tamper : public ::testing::Test {
 protected:
  Tamper() {
    write_text(source_ / "a", pattern(3 * kChunk + 100, 1));
    write_text(source_ / "b", pattern(2 * kChunk, 2));
    sealed_ = world_.seal_tree(source_);
  }
  std::string flipped(std::size_t at) const {
    std::string out = sealed_;
    out[at] = static_cast<char>(out[at] ^ 0x10);
    return out;
  }
  // The header's JSON changed by `edit`, lengths kept right.
  template <class Edit>
  std::string with_header(Edit edit) const {
    const Parts parts(sealed_);
    Json json = *parse_json(sealed_.substr(kPrefixBytes, parts.header_bytes));
    edit(json);
    const std::string text = dump(json);
    const auto prefix = make_prefix(static_cast<std::uint32_t>(text.size()));
    std::string head(reinterpret_cast<const char*>(prefix.data()), prefix.size());
    head += text;
    head.resize(align_up(head.size(), kAlign));
    return head + sealed_.substr(parts.tags_at);
  }
  World world_;
  files::path source_ = world_.dir() / "source";
  std::string sealed_;
};

TEST_F(Tamper, UntouchedOpens) {
  EXPECT_EQ(world_.rule(sealed_), "opened");
}

TEST_F(Tamper, BitFlipsInBodyAndTags) {
  const Parts parts(sealed_);
  for (std::size_t at = parts.body_at; at < sealed_.size(); at += 40'009)
    EXPECT_EQ(world_.rule(flipped(at)), "dataset.tampered") << at;
  EXPECT_EQ(world_.rule(flipped(sealed_.size() - 1)),
            "dataset.tampered");  // padding is checked too
  for (std::size_t at = parts.tags_at; at < parts.body_at; at += 61)
    EXPECT_EQ(world_.rule(flipped(at)), "dataset.tampered") << at;
}

TEST_F(Tamper, TruncationAndAppending) {
  EXPECT_EQ(world_.rule(sealed_.substr(0, sealed_.size() - 1)), "dataset.format");
  EXPECT_EQ(world_.rule(sealed_.substr(0, sealed_.size() - 4096)), "dataset.truncated");
  EXPECT_EQ(world_.rule(sealed_.substr(0, sealed_.size() - kChunk)), "dataset.truncated");
  EXPECT_EQ(world_.rule(sealed_.substr(0, 10)), "dataset.truncated");
  EXPECT_EQ(world_.rule(""), "dataset.truncated");
  EXPECT_EQ(world_.rule(sealed_ + "x"), "dataset.format");
  EXPECT_EQ(world_.rule(sealed_ + std::string(4096, '\0')), "dataset.truncated");
}

TEST_F(Tamper, ReorderingAndDuplication) {
  const Parts parts(sealed_);
  const std::size_t payload = parts.body_at + kAlign;  // one page of index
  std::string swapped = sealed_;
  std::swap_ranges(swapped.begin() + payload, swapped.begin() + payload + kChunk,
                   swapped.begin() + payload + kChunk);
  EXPECT_EQ(world_.rule(swapped), "dataset.tampered");
  std::swap_ranges(swapped.begin() + parts.tags_at + 16, swapped.begin() + parts.tags_at + 32,
                   swapped.begin() + parts.tags_at + 32);  // the tags along with the chunks
  EXPECT_EQ(world_.rule(swapped), "dataset.tampered");
  std::string twice = sealed_;
  twice.replace(payload + kChunk, kChunk, sealed_, payload, kChunk);
  twice.replace(parts.tags_at + 32, 16, sealed_, parts.tags_at + 16, 16);
  EXPECT_EQ(world_.rule(twice), "dataset.tampered");
}

TEST_F(Tamper, PartsOfAnotherDataset) {
  const std::string other = world_.seal_tree(source_);
  const Parts parts(sealed_);
  ASSERT_EQ(other.size(), sealed_.size());
  ASSERT_EQ(Parts(other).tags_at, parts.tags_at);
  const auto splice = [&](std::size_t at, std::size_t size) {
    std::string out = sealed_;
    return out.replace(at, size, other, at, size);
  };
  EXPECT_EQ(world_.rule(splice(0, parts.tags_at)), "dataset.tampered");  // header
  EXPECT_EQ(world_.rule(splice(parts.tags_at, parts.body_at - parts.tags_at)), "dataset.tampered");
  EXPECT_EQ(world_.rule(splice(parts.body_at, sealed_.size() - parts.body_at)), "dataset.tampered");
  EXPECT_EQ(world_.rule(splice(parts.body_at + kAlign, kChunk)), "dataset.tampered");
}

TEST_F(Tamper, HeaderMembers) {
  const auto rule = [&](auto edit) { return world_.rule(with_header(edit)); };
  EXPECT_EQ(rule([](Json&) {}), "opened");
  EXPECT_EQ(rule([](Json& j) { j["zip"] = "DEF"; }), "dataset.header");
  EXPECT_EQ(rule([](Json& j) { j["unprotected"] = {{"zip", "DEF"}}; }), "dataset.header");
  EXPECT_EQ(rule([](Json& j) { j["recipients"] = Json::array(); }), "dataset.header");
  EXPECT_EQ(rule([](Json& j) { j["recipients"].push_back(j["recipients"][0]); }), "dataset.header");
  EXPECT_EQ(rule([](Json& j) { j["recipients"][0]["header"]["alg"] = "PBES2-HS512+A256KW"; }),
            "dataset.header");
  EXPECT_EQ(rule([](Json& j) { j["recipients"][0]["header"]["p2c"] = 2'000'000'000; }),
            "dataset.header");
  EXPECT_EQ(rule([](Json& j) { j["recipients"][0]["header"]["kid"] = "file:other"; }),
            "dataset.key");
  EXPECT_EQ(rule([](Json& j) {
              j["recipients"][0]["encrypted_key"] = to_base64url(std::vector<unsigned char>(40, 1));
            }),
            "dataset.key");
  EXPECT_EQ(rule([](Json& j) {
              const std::string text = dump({{"casemate.file", to_base64url(FileId{})},
                                             {"casemate.format", 1},
                                             {"enc", "A256GCM"},
                                             {"typ", "casemate-dataset+jwe"}});
              j["protected"] = to_base64url(as_bytes(text));
            }),
            "dataset.tampered");
  EXPECT_EQ(
      rule([](Json& j) { j["protected"] = to_base64url(as_bytes("{\"enc\":\"A128CBC-HS256\"}")); }),
      "dataset.header");
}

TEST_F(Tamper, EveryKindOfDamageInTheHeaderIsRefusedWithoutACrash) {
  const Parts parts(sealed_);
  std::mt19937 random(20260101);
  // The first pages are enough of a file to mutate: nothing behind them is read before they are
  // good.
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = sealed_.substr(0, parts.tags_at);
    for (auto edits = 1 + random() % 3; edits > 0; --edits)
      bytes[random() % (kPrefixBytes + parts.header_bytes)] = static_cast<char>(random());
    if (sealed_.starts_with(bytes)) continue;
    const auto path = world_.dir() / "mutant";
    write_text(path, bytes);
    files::resize_file(path, sealed_.size());
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto file = SealedFile::open(fd.get());
    if (!file) {
      EXPECT_TRUE(file.error().rule.starts_with("dataset.")) << file.error().rule;
      continue;
    }
    const auto opened = unlock(*file, world_.host_keys(), world_.tenant_keys());
    ASSERT_FALSE(opened) << "round " << round;
    EXPECT_TRUE(opened.error().rule.starts_with("dataset.")) << opened.error().rule;
  }
}

TEST_F(Tamper, PrefixBits) {
  for (std::size_t bit = 0; bit < kPrefixBytes * 8; ++bit) {
    std::string bytes = sealed_;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(world_.rule(bytes), "opened") << bit;
  }
  EXPECT_EQ(world_.rule(flipped(8)), "dataset.version");
  EXPECT_EQ(world_.rule(flipped(4095)), "dataset.tampered");  // zero fill behind the header
}

TEST_F(Tamper, SignedBySomebodyElse) {
  World other;  // another tenant who knows our host's public key
  std::vector<Recipient> recipients;
  recipients.push_back({"file:host", public_part(world_.host())});
  auto options = other.options();
  options.recipients = recipients;
  EXPECT_EQ(world_.rule(other.seal_tree(source_, options)), "dataset.signature");
}

TEST_F(Tamper, IndexParserSurvivesMutation) {
  const std::vector<Entry> entries = {{.path = "a", .mode = 0644, .offset = 0, .size = 10},
                                      {.path = "d", .directory = true, .mode = 0755},
                                      {.path = "d/x", .mode = 0600, .offset = 10, .size = 5}};
  const auto good = encode_index(entries);
  const auto parse = [](const std::vector<unsigned char>& bytes) {
    return Index::parse(secret_of(as_text(bytes)), 15);
  };
  ASSERT_TRUE(parse(good));
  for (std::size_t size = 1; size < good.size(); ++size)
    EXPECT_FALSE(parse({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = good;
    for (auto edits = 1 + random() % 4; edits > 0; --edits)
      bytes[random() % bytes.size()] = static_cast<unsigned char>(random());
    const auto index = parse(bytes);
    if (!index) {
      ASSERT_EQ(index.error().rule, "dataset.index");
      continue;
    }
    for (const auto& e : index->entries()) {
      ASSERT_TRUE(is_safe_path(e.path));
      ASSERT_LE(e.end(), 15U);
      ASSERT_LE(e.mode, 0777U);
    }
  }
}

TEST(IndexParser, HostileEntries) {
  const auto rule = [](std::vector<Entry> entries, std::uint64_t payload) {
    const auto bytes = encode_index(entries);
    const auto index = Index::parse(secret_of(as_text(bytes)), payload);
    return index ? std::string("accepted") : index.error().rule;
  };
  const std::string bad = "dataset.index";
  EXPECT_EQ(rule({{.path = "a", .size = 5}}, 5), "accepted");
  for (const char* path : {"", ".", "..", "/a", "a/", "a//b", "../a", "a/../b", "./a"})
    EXPECT_EQ(rule({{.path = path, .size = 5}}, 5), bad) << path;
  EXPECT_EQ(rule({{.path = std::string_view("a\0b", 3), .size = 5}}, 5), bad);
  EXPECT_EQ(rule({{.path = std::string(256, 'x'), .size = 5}}, 5), bad);
  EXPECT_EQ(rule({{.path = "a", .size = 5}, {.path = "a", .offset = 5, .size = 5}}, 10), bad);
  EXPECT_EQ(rule({{.path = "b", .size = 5}, {.path = "a", .offset = 5, .size = 5}}, 10), bad);
  EXPECT_EQ(rule({{.path = "a/b", .size = 5}}, 5), bad);  // in no listed folder
  EXPECT_EQ(rule({{.path = "a", .size = 1}, {.path = "a/b", .offset = 1, .size = 4}}, 5), bad);
  EXPECT_EQ(rule({{.path = "a", .mode = 04755, .size = 5}}, 5), bad);
  EXPECT_EQ(rule({{.path = "a", .mode = 0120777, .size = 5}}, 5), bad);
  EXPECT_EQ(rule({{.path = "a", .size = 5}, {.path = "b", .offset = 4, .size = 6}}, 10), bad);
  EXPECT_EQ(rule({{.path = "a", .size = std::uint64_t{1} << 63}}, 5), bad);
  EXPECT_EQ(rule({{.path = "a", .offset = UINT64_MAX - 2, .size = 5}}, 5), bad);
  EXPECT_EQ(rule({{.path = "a", .size = 5}}, 6), bad);  // payload nobody names
  EXPECT_EQ(rule({{.path = "a", .mtime_nanoseconds = 1'000'000'000, .size = 5}}, 5), bad);
}

}  // namespace
}  // namespace casemate::dataset
