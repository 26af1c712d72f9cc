#include "hooks/image/signature.h"

#include "tests/unit/hooks/image/image_fixture.h"

namespace casemate::image {
namespace {

Result<PrivateKey> from_file(const std::string& path) {
  sys::RealKernel kernel;
  return PrivateKey::from_file(kernel, path);
}

class SignatureTest : public testing::TestWithParam<KeyType> {
 protected:
  PrivateKey key_ = *PrivateKey::generate(GetParam());
};

TEST_P(SignatureTest, KeysSurvivePem) {
  const auto pem = key_.to_pem();
  ASSERT_TRUE(pem);
  const auto again = PrivateKey::from_pem({pem->data(), pem->size()});
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->type(), GetParam());
  const auto public_key = PublicKey::from_pem(*key_.public_key().to_pem());
  ASSERT_TRUE(public_key) << public_key.error().message();
  EXPECT_TRUE(public_key->verify("message", *again->sign("message")));
}

TEST_P(SignatureTest, EveryChangedBitIsNoticed) {
  const std::string message = "the message";
  const Bytes signature = *key_.sign(message);
  const PublicKey public_key = key_.public_key();
  ASSERT_TRUE(public_key.verify(message, signature));
  for (std::size_t i = 0; i < signature.size() * 8; ++i) {
    Bytes changed = signature;
    changed[i / 8] = static_cast<unsigned char>(changed[i / 8] ^ (1 << i % 8));
    EXPECT_FALSE(public_key.verify(message, changed)) << "bit " << i;
  }
  EXPECT_FALSE(public_key.verify("the messagf", signature));
  EXPECT_FALSE(public_key.verify(message, {}));
  const PrivateKey other = *PrivateKey::generate(GetParam());
  EXPECT_FALSE(other.public_key().verify(message, signature));
}

TEST_P(SignatureTest, KeyFilesOfOthersAreRefused) {
  const TempDir dir;
  const auto pem = key_.to_pem();
  const std::string text(as_text({pem->data(), pem->size()}));
  write_text(dir.path("key"), text, 0600);
  EXPECT_TRUE(from_file(dir.path("key")));
  write_text(dir.path("key"), text, 0640);
  EXPECT_EQ(rule_of(from_file(dir.path("key"))), "image.key-mode");
}

TEST_P(SignatureTest, ArmourHoldsOneKeyOnly) {
  const std::string pem = *key_.public_key().to_pem();
  EXPECT_EQ(rule_of(PublicKey::from_pem(pem + pem)), "image.key");
  EXPECT_EQ(rule_of(PublicKey::from_pem("comment\n" + pem)), "image.key");
  EXPECT_EQ(rule_of(PublicKey::from_pem(pem + "more")), "image.key");
  EXPECT_EQ(rule_of(PublicKey::from_pem("")), "image.key");
  const auto secret = key_.to_pem();
  EXPECT_EQ(rule_of(PublicKey::from_pem(as_text({secret->data(), secret->size()}))), "image.key");
}

INSTANTIATE_TEST_SUITE_P(Keys, SignatureTest, testing::Values(KeyType::p256, KeyType::ed25519),
                         [](const auto& test) { return std::string(to_string(test.param)); });

// Keys of the openssl command line: what may be used and what may not.
struct KeyCase {
  const char* name;
  const char* options;
  const char* rule;
};
class ForeignKeyTest : public testing::TestWithParam<KeyCase> {};

TEST_P(ForeignKeyTest, OnlyTheTwoTypesAreTaken) {
  const TempDir dir;
  const std::string make = "openssl genpkey -out " + dir.path("k") + " " + GetParam().options +
                           " 2>/dev/null && openssl pkey -in " + dir.path("k") + " -pubout -out " +
                           dir.path("k.pub");
  ASSERT_EQ(run(make), 0);
  EXPECT_EQ(rule_of(PublicKey::from_pem(read_text(dir.path("k.pub")))), GetParam().rule);
  EXPECT_EQ(rule_of(from_file(dir.path("k"))), GetParam().rule);
}

INSTANTIATE_TEST_SUITE_P(
    Openssl, ForeignKeyTest,
    testing::Values(
        KeyCase{"p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256", ""},
        KeyCase{"ed25519", "-algorithm ED25519", ""},
        KeyCase{"p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "image.key-type"},
        KeyCase{"k256", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "image.key-type"},
        KeyCase{"explicit",
                "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
                "image.key-type"},
        KeyCase{"x25519", "-algorithm X25519", "image.key-type"},
        KeyCase{"rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "image.key-type"}),
    [](const auto& test) { return test.param.name; });

TEST(RawSignature, RoundTripAndBounds) {
  const PrivateKey key = *PrivateKey::generate(KeyType::p256);
  for (int i = 0; i < 64; ++i) {  // short r and s turn up now and then
    const Bytes der = *key.sign("m" + std::to_string(i));
    const auto raw = ecdsa_der_to_raw(der);
    ASSERT_TRUE(raw);
    EXPECT_EQ(raw->size(), 64U);
    EXPECT_EQ(*ecdsa_raw_to_der(*raw), der);
  }
  EXPECT_EQ(rule_of(ecdsa_raw_to_der(Bytes(63))), "image.signature-form");
  EXPECT_EQ(rule_of(ecdsa_der_to_raw(Bytes(8))), "image.signature-form");
}

}  // namespace
}  // namespace casemate::image
