#include "hooks/image/jws.h"

#include "tests/unit/hooks/image/image_fixture.h"

namespace casemate::image {
namespace {

std::string encode(const Json& json) {
  return to_base64url(as_bytes(dump(json)));
}

class JwsTest : public testing::TestWithParam<KeyType> {
 protected:
  std::string rule(const std::string& text) const {
    return rule_of(verify_jws(text, kJobType, keys_));
  }
  // A correctly signed JWS with any header.
  std::string with_header(const Json& header) const {
    const std::string input = encode(header) + "." + to_base64url(as_bytes("{}"));
    Bytes signature = *key_.sign(input);
    if (key_.type() == KeyType::p256) signature = *ecdsa_der_to_raw(signature);
    return dump(Json{{"protected", encode(header)},
                     {"payload", to_base64url(as_bytes("{}"))},
                     {"signature", to_base64url(signature)}});
  }
  Json header() const {
    return {{"alg", key_.type() == KeyType::p256 ? "ES256" : "EdDSA"},
            {"kid", "slurm"},
            {"typ", kJobType}};
  }
  PrivateKey key_ = *PrivateKey::generate(GetParam());
  PrivateKey other_ = *PrivateKey::generate(GetParam());
  std::vector<NamedKey> keys_ = {named("other", other_), named("slurm", key_)};
  std::string text_ = *sign_jws(key_, "slurm", kJobType, R"({"version":1})");
};

TEST_P(JwsTest, RoundTrip) {
  const auto jws = verify_jws(text_, kJobType, keys_);
  ASSERT_TRUE(jws) << jws.error().message();
  EXPECT_EQ(jws->kid, "slurm");
  EXPECT_EQ(jws->payload, R"({"version":1})");
  EXPECT_EQ(rule(with_header(header())), "");
}

TEST_P(JwsTest, HeaderIsExact) {
  for (const char* name : {"crit", "jwk", "b64", "x5c", "jku"}) {
    Json more = header();
    more[name] = Json::array({"exp"});
    EXPECT_EQ(rule(with_header(more)), "jws.header") << name;
  }
  for (const char* alg : {"none", "None", "HS256", "ES384", "RS256", "ES256K", "es256", ""}) {
    Json wrong = header();
    wrong["alg"] = alg;
    EXPECT_EQ(rule(with_header(wrong)), "jws.algorithm") << alg;
  }
  Json swapped = header();
  swapped["alg"] = key_.type() == KeyType::p256 ? "EdDSA" : "ES256";
  EXPECT_EQ(rule(with_header(swapped)), "jws.algorithm");
  for (const char* typ : {"JWT", "casemate-job+JWS", "casemate-job", "casemate-dataset+jws"}) {
    Json wrong = header();
    wrong["typ"] = typ;
    EXPECT_EQ(rule(with_header(wrong)), "jws.type") << typ;
  }
  Json unknown = header();
  unknown["kid"] = "Slurm";
  EXPECT_EQ(rule(with_header(unknown)), "jws.key");
  Json less = header();
  less.erase("kid");
  EXPECT_EQ(rule(with_header(less)), "json.missing-key");
}

TEST_P(JwsTest, AnotherKeyOfTheSameHost) {
  const auto forged = *sign_jws(other_, "slurm", kJobType, "{}");
  EXPECT_EQ(rule(forged), "jws.signature");
}

TEST_P(JwsTest, MembersAreExact) {
  Json jws = *parse_json(text_);
  Json more = jws;
  more["header"] = {{"alg", "none"}};
  EXPECT_EQ(rule(dump(more)), "json.unknown-key");
  for (const char* member : {"payload", "protected", "signature"}) {
    Json less = jws;
    less.erase(member);
    EXPECT_EQ(rule(dump(less)), "json.missing-key") << member;
    less[member] = "";
    EXPECT_EQ(rule(dump(less)), "jws.format") << member;
  }
  jws["payload"] = encode({{"version", 2}});
  EXPECT_EQ(rule(dump(jws)), "jws.signature");
  EXPECT_EQ(rule(R"({"payload":"e30","payload":"e30"})"), "json.duplicate-key");
  EXPECT_EQ(rule(text_ + text_), "json.syntax");
  EXPECT_EQ(rule(std::string(kMaxJws + 1, ' ')), "jws.format");
}

TEST_P(JwsTest, DerInsteadOfRawIsRefused) {
  Json jws = *parse_json(text_);
  const std::string input =
      jws["protected"].get<std::string>() + "." + jws["payload"].get<std::string>();
  Bytes signature = *key_.sign(input);
  if (key_.type() == KeyType::ed25519) signature.push_back(0);
  jws["signature"] = to_base64url(signature);
  EXPECT_EQ(rule(dump(jws)), "jws.signature");
}

TEST_P(JwsTest, NoMutationIsAccepted) {
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    const std::string changed = mutate(text_, random);
    const auto jws = verify_jws(changed, kJobType, keys_);
    // White space around members may change; what is signed may not.
    EXPECT_TRUE(!jws || *parse_json(changed) == *parse_json(text_)) << changed;
  }
}

INSTANTIATE_TEST_SUITE_P(Keys, JwsTest, testing::Values(KeyType::p256, KeyType::ed25519),
                         [](const auto& test) { return std::string(to_string(test.param)); });

}  // namespace
}  // namespace casemate::image
