#include "shim/base/encoding.h"

#include <gtest/gtest.h>

#include <random>

namespace casemate {
namespace {

TEST(Base64, FollowsRfc4648) {
  const std::vector<std::pair<std::string, std::string>> table = {{"", ""},
                                                                  {"f", "Zg=="},
                                                                  {"fo", "Zm8="},
                                                                  {"foo", "Zm9v"},
                                                                  {"foob", "Zm9vYg=="},
                                                                  {"fooba", "Zm9vYmE="},
                                                                  {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : table) {
    EXPECT_EQ(to_base64(as_bytes(plain)), coded);
    ASSERT_TRUE(from_base64(coded)) << coded;
    EXPECT_EQ(as_text(*from_base64(coded)), plain);
  }
  EXPECT_EQ(to_base64(Bytes{0xfb, 0xff}), "+/8=");
  EXPECT_EQ(to_base64url(Bytes{0xfb, 0xff}), "-_8");
}

TEST(Base64, DecodesOneFormOnly) {
  // Missing and superfluous padding, white space, the other alphabet, non-zero trailing bits.
  for (const char* text : {"Zg", "Zg=", "Zg===", "Zm8", "Zm9v=", "Zm9v\n", " Zm9v", "Zm 9v",
                           "-_8=", "Zh==", "Zm9=", "====", "Z", "Zg==Zg=="})
    EXPECT_FALSE(from_base64(text)) << text;
  for (const char* text : {"Zg==", "Zg=", "+/8", "Zh", "Zm9", "-_8\n", "Z"})
    EXPECT_FALSE(from_base64url(text)) << text;
  EXPECT_FALSE(from_base64(std::string_view("Zg==\0", 5)));
}

TEST(Base64, RoundTripsAndNeverAliases) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes(random() % 70);
    for (auto& byte : bytes) byte = static_cast<unsigned char>(random());
    EXPECT_EQ(from_base64(to_base64(bytes)).value(), bytes);
    std::string coded = to_base64url(bytes);
    EXPECT_EQ(from_base64url(coded).value(), bytes);
    if (coded.empty()) continue;
    coded[random() % coded.size()] = static_cast<char>(random());
    const auto decoded = from_base64url(coded);
    if (decoded) {
      EXPECT_EQ(to_base64url(*decoded), coded);
    }
  }
}

TEST(Hex, IsLowerCaseInPairs) {
  EXPECT_EQ(to_hex(Bytes{0x00, 0xab, 0xff}), "00abff");
  EXPECT_EQ(from_hex("00abff").value(), (Bytes{0x00, 0xab, 0xff}));
  EXPECT_TRUE(from_hex("")->empty());
  for (const char* text : {"0", "0A", "0g", " 00", "00 ", "0x00", "00\n0"})
    EXPECT_FALSE(from_hex(text)) << text;
}

TEST(Sha256, MatchesFips180Vectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, HasOneForm) {
  const std::string good = "sha256:" + sha256_hex("x");
  EXPECT_TRUE(is_sha256_digest(good));
  EXPECT_FALSE(is_sha256_digest(good + "0"));
  EXPECT_FALSE(is_sha256_digest(good.substr(0, good.size() - 1)));
  EXPECT_FALSE(is_sha256_digest(sha256_hex("x")));
  EXPECT_FALSE(is_sha256_digest("SHA256:" + sha256_hex("x")));
  EXPECT_FALSE(is_sha256_digest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(is_sha256_digest("sha512:" + sha256_hex("x")));
  EXPECT_FALSE(is_sha256_digest("sha256:../" + std::string(61, 'a')));
}

}  // namespace
}  // namespace casemate
