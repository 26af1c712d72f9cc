#include "tests/unit/hooks/dataset/support.h"

namespace casemate::dataset {
namespace {

using namespace testing;

class RoundTrip : public ::testing::Test {
 protected:
  // Seals the source, extracts it, compares; returns the sealed bytes.
  std::string check(ExtractOptions options = {}) {
    files::create_directories(source_);
    const std::string sealed = world_.seal_tree(source_);
    const auto out = world_.dir() / ("out" + std::to_string(++count_));
    const auto done = world_.open(sealed, out, options);
    EXPECT_TRUE(done) << done.error().message();
    expect_same_tree(source_, out);
    return sealed;
  }
  World world_;
  files::path source_ = world_.dir() / "source";
  int count_ = 0;
};

TEST_F(RoundTrip, EmptyFolderTakesTheSmallestSize) {
  const auto sealed = check();
  EXPECT_EQ(sealed.size(), 4096U + 4096U + kMinBody);
}

TEST_F(RoundTrip, FoldersEmptyFilesModesAndTimes) {
  write_text(source_ / "a/empty", "");
  write_text(source_ / "a.b/x", "1");
  write_text(source_ / "a/b/c/deep", "deep");
  files::create_directories(source_ / "hollow");
  ASSERT_EQ(::chmod((source_ / "a/empty").c_str(), 0604), 0);
  ASSERT_EQ(::chmod((source_ / "hollow").c_str(), 0711), 0);
  const timespec times[2] = {{1'000'000'000, 5}, {-86400, 999'999'999}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (source_ / "a.b/x").c_str(), times, 0), 0);
  check();
}

TEST_F(RoundTrip, SizesAroundEveryBorder) {
  unsigned seed = 0;
  for (const std::size_t base : {std::size_t{kAlign}, std::size_t{kChunk}, 2 * std::size_t{kChunk},
                                 std::size_t{kAlignedFile}})
    for (const int delta : {-1, 0, 1}) {
      ++seed;
      write_text(source_ / ("f" + std::to_string(seed)), pattern(base + delta, seed));
    }
  write_text(source_ / "large", pattern(2 * kAlignedFile + 3 * kChunk + 17, 99));
  write_text(source_ / "z", pattern(10, 100));
  check();
  check({.engine = Engine::openssl, .threads = 1});
  check({.engine = Engine::openssl, .threads = 5});
}

TEST_F(RoundTrip, ManySmallFilesAndAnIndexOfSeveralChunks) {
  for (unsigned i = 0; i < 4500; ++i)
    write_text(
        source_ / ("folder" + std::to_string(i % 50)) / (std::string(40, 'n') + std::to_string(i)),
        pattern(i % 700, i));
  check();
}

TEST_F(RoundTrip, NeitherNamesNorContentNorCountShow) {
  write_text(source_ / "secret-name", std::string(1000, 'S'));
  const auto one = check();
  for (int i = 0; i < 20; ++i) write_text(source_ / ("more" + std::to_string(i)), "x");
  const auto many = check();
  EXPECT_EQ(one.size(), many.size());
  EXPECT_EQ(Parts(one).header_bytes, Parts(many).header_bytes);
  EXPECT_EQ(one.find("secret-name"), std::string::npos);
  EXPECT_EQ(one.find("SSSSSSSS"), std::string::npos);
  EXPECT_EQ(one.find("acme"), std::string::npos);
}

TEST_F(RoundTrip, SourcesThatAreNotFilesAreRefused) {
  files::create_directories(source_);
  files::create_symlink("/etc/passwd", source_ / "link");
  auto sealed = world_.try_seal(source_, world_.options());
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().rule, "dataset.file-type");
  files::remove(source_ / "link");
  ASSERT_EQ(::mkfifo((source_ / "fifo").c_str(), 0600), 0);
  sealed = world_.try_seal(source_, world_.options());
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().rule, "dataset.file-type");
}

TEST_F(RoundTrip, SourceThatChangesIsNoticed) {
  write_text(source_ / "a", pattern(3 * kAlignedFile, 1));
  write_text(source_ / "b", pattern(100, 2));
  auto options = world_.options();
  options.threads = 1;
  options.progress = [&](const Progress&) { write_text(source_ / "b", "changed"); };
  const auto sealed = world_.try_seal(source_, options);
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().rule, "dataset.source-changed");
}

TEST_F(RoundTrip, BadNamesAreRefused) {
  files::create_directories(source_);
  for (const char* name : {"", ".x", "a/b", "a b", "-x"}) {
    auto options = world_.options();
    options.dataset = name;
    const auto sealed = world_.try_seal(source_, options);
    ASSERT_FALSE(sealed) << name;
    EXPECT_EQ(sealed.error().rule, "dataset.name");
  }
}

// Both engines make the same bytes and read each other's.
TEST(Aead, EnginesAgree) {
  const SecretBytes key = *random_secret(kKeyBytes);
  const std::array<unsigned char, 32> aad = {1, 2, 3};
  const auto one = *make_aead(Engine::openssl, key, aad);
  EXPECT_EQ(one->engine(), "openssl");
  if (!has_ipsec_mb()) {
    const auto refused = make_aead(Engine::ipsec_mb, key, aad);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().rule, "dataset.engine");
    return;
  }
  const auto two = *make_aead(Engine::ipsec_mb, key, aad);
  for (const std::size_t size : {1UL, 15UL, 16UL, 17UL, 4096UL, 65537UL, 262144UL}) {
    const std::string text = pattern(size, static_cast<unsigned>(size));
    const std::span in(reinterpret_cast<const unsigned char*>(text.data()), size);
    std::vector<unsigned char> a(size), b(size), back(size);
    Tag tag_a, tag_b;
    const auto nonce = chunk_nonce(size, size % 2 == 0);
    ASSERT_TRUE(one->seal(nonce, in, a.data(), tag_a));
    ASSERT_TRUE(two->seal(nonce, in, b.data(), tag_b));
    EXPECT_EQ(a, b);
    EXPECT_EQ(tag_a, tag_b);
    ASSERT_TRUE(two->open(nonce, a, back.data(), tag_a));
    EXPECT_TRUE(std::equal(back.begin(), back.end(), in.begin()));
    tag_a[0] ^= 1;
    for (Aead* engine : {one.get(), two.get()}) {
      const auto opened = engine->open(nonce, a, back.data(), tag_a);
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().rule, "dataset.tampered");
      EXPECT_TRUE(std::all_of(back.begin(), back.end(), [](unsigned char c) { return c == 0; }));
    }
  }
}

TEST(Aead, HkdfIsRfc5869) {  // test case 1, cut to 32 bytes
  const SecretBytes ikm = secret_of(std::string(22, '\x0b'));
  std::array<unsigned char, 13> salt;
  for (unsigned char i = 0; i < 13; ++i) salt[i] = i;
  const SecretBytes okm = *hkdf(ikm, salt, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
  EXPECT_EQ(to_hex({okm.data(), okm.size()}),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

TEST(Format, PadmeAndLayout) {
  EXPECT_EQ(padme(1), 1U);
  EXPECT_EQ(padme(65537), 67584U);  // exponent 16, five significant bits: step 2048
  for (std::uint64_t n = 1; n < (std::uint64_t{1} << 50); n = n * 3 + 1) {
    EXPECT_GE(padme(n), n);
    EXPECT_LE(padme(n), n + n / 8 + 1);
    EXPECT_EQ(padme(padme(n)), padme(n));
  }
  for (std::uint64_t body = kMinBody; body < (std::uint64_t{1} << 40);
       body = align_up(body * 2 + 1, kAlign)) {
    const auto layout = make_layout(3000, body, 100, 1000);
    ASSERT_TRUE(layout);
    EXPECT_EQ(*body_of_file(layout->file_bytes, 3000), body);
    EXPECT_FALSE(body_of_file(layout->file_bytes - 1, 3000));
  }
}

TEST(LockedJson, ValuesLiveInTheArenaAndAreZeroedWhenFreed) {
  ASSERT_TRUE(use_locked_json());
  const std::size_t before = locked_json_in_use();
  json_t* value = json_string("a data encryption key, say");
  const char* text = json_string_value(value);
  ASSERT_TRUE(in_locked_arena(text));
  ASSERT_GT(locked_json_in_use(), before);
  json_decref(value);
  EXPECT_EQ(locked_json_in_use(), before);
  EXPECT_EQ(text[0], '\0');
  EXPECT_EQ(text[10], '\0');
  EXPECT_EQ(json_stringn(std::string(900'000, 'x').data(), 900'000), nullptr);  // refused, no crash
}

}  // namespace
}  // namespace casemate::dataset
