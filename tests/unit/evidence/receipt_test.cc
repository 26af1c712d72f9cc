#include "shim/evidence/receipt.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "shim/base/encoding.h"
#include "shim/evidence/dsse.h"
#include "shim/sys/real_kernel.h"

namespace casemate::evidence {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

class ReceiptTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/casemate-receipt-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  static std::string slurp(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void spit(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
  }
  std::string keys() const { return folder_ + "/keys"; }
  static Json facts() {
    return {{"container", "c1"},
            {"imageDigest", kDigest},
            {"image", {{"signer", "acme"}}},
            {"datasets",
             Json::array({{{"id", "digits"}, {"serial", 3}, {"slot", "file:k"}, {"bytes", 100}}})},
            {"exitCode", 0},
            {"wiped", {{"bytes", 4096}, {"files", 2}, {"seconds", 0.5}}}};
  }

  sys::RealKernel kernel_;
  std::string folder_;
};

TEST(Dsse, PaeIsThatOfTheSpecification) {
  EXPECT_EQ(dsse_pae("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  EXPECT_EQ(dsse_pae("", ""), "DSSEv1 0  0 ");
}

TEST_F(ReceiptTest, AWrittenReceiptVerifiesAndSaysTheFacts) {
  const auto key = ReceiptKey::load_or_create(kernel_, keys());
  ASSERT_TRUE(key) << key.error().message();
  const std::string name = receipt_name(facts());
  const auto written = write_receipt(kernel_, *key, folder_ + "/receipts", name, facts());
  ASSERT_TRUE(written) << written.error().message();
  const std::string path = folder_ + "/receipts/" + name;
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto statement = verify_receipt(slurp(path), slurp(keys() + "/receipt.pub"));
  ASSERT_TRUE(statement) << statement.error().message();
  EXPECT_EQ(statement->at("_type"), "https://in-toto.io/Statement/v1");
  EXPECT_EQ(statement->at("subject").at(0).at("digest").at("sha256"), std::string(64, 'a'));
  const Json& predicate = statement->at("predicate");
  EXPECT_EQ(predicate.at("container"), "c1");
  EXPECT_TRUE(predicate.at("gpu").is_null());
  EXPECT_EQ(describe_receipt(*statement).find("updated"), std::string::npos);
  const std::string shown = describe_receipt(*statement);
  for (const char* part : {"digits", "4096 bytes", "acme", "sha256:aaaa"})
    EXPECT_NE(shown.find(part), std::string::npos) << part;
}

TEST_F(ReceiptTest, WithoutAVerifiedImageTheSubjectSaysSo) {
  for (const Json& digest : {Json(), Json("sha256:zz"), Json(3)}) {
    const Json statement = make_statement({{"imageDigest", digest}});
    EXPECT_EQ(statement.at("subject").at(0).at("name"), "rootfs:unverified");
    EXPECT_NE(describe_receipt(statement).find("unverified"), std::string::npos);
  }
}

TEST_F(ReceiptTest, TheKeyIsMadeOnceAndKept) {
  const auto first = ReceiptKey::load_or_create(kernel_, keys());
  const auto second = ReceiptKey::load_or_create(kernel_, keys());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->public_pem(), second->public_pem());
  EXPECT_EQ(slurp(keys() + "/receipt.pub"), first->public_pem());
  struct stat status{};
  ASSERT_EQ(::stat((keys() + "/receipt.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(status.st_size, 32);
  std::filesystem::remove(keys() + "/receipt.pub");
  ASSERT_TRUE(ReceiptKey::load_or_create(kernel_, keys()));
  EXPECT_EQ(slurp(keys() + "/receipt.pub"), first->public_pem());
}

TEST_F(ReceiptTest, AnExposedOrDamagedKeyIsRefused) {
  ASSERT_TRUE(ReceiptKey::load_or_create(kernel_, keys()));
  const std::string file = keys() + "/receipt.key";
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  EXPECT_EQ(ReceiptKey::load_or_create(kernel_, keys()).error().rule, "receipt.key");
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  std::filesystem::resize_file(file, 31);
  EXPECT_EQ(ReceiptKey::load_or_create(kernel_, keys()).error().rule, "receipt.key");
  std::filesystem::remove(file);
  std::filesystem::create_symlink("/etc/hostname", file);
  EXPECT_FALSE(ReceiptKey::load_or_create(kernel_, keys()));
}

TEST_F(ReceiptTest, OpensslVerifiesTheSignature) {
  const auto key = ReceiptKey::load_or_create(kernel_, keys());
  const Json envelope = *key->sign(make_statement(facts()));
  const auto payload = *from_base64(envelope.at("payload").get<std::string>());
  const auto signature = *from_base64(envelope.at("signatures").at(0).at("sig").get<std::string>());
  spit("pae", dsse_pae(kPayloadType, as_text(payload)));
  spit("sig", std::string(as_text(signature)));
  const std::string check = "openssl pkeyutl -verify -pubin -inkey " + keys() +
                            "/receipt.pub -rawin -sigfile " + folder_ + "/sig -in " + folder_ +
                            "/pae >/dev/null 2>&1";
  EXPECT_EQ(std::system(check.c_str()), 0);
  spit("pae", dsse_pae(kPayloadType, "another"));
  EXPECT_NE(std::system(check.c_str()), 0);
}

TEST_F(ReceiptTest, TamperedReceiptsAndOtherKeysAreRefused) {
  const auto key = ReceiptKey::load_or_create(kernel_, keys());
  const auto other = ReceiptKey::load_or_create(kernel_, folder_ + "/others");
  const Json envelope = *key->sign(make_statement(facts()));
  EXPECT_EQ(verify_receipt(dump(envelope), other->public_pem()).error().rule, "receipt.signature");
  Json forged = envelope;
  auto lie = facts();
  lie["exitCode"] = 1;
  forged["payload"] = to_base64(as_bytes(dump(make_statement(lie))));
  EXPECT_EQ(verify_receipt(dump(forged), key->public_pem()).error().rule, "receipt.signature");
  forged = envelope;
  forged["payloadType"] = "text/plain";
  EXPECT_EQ(verify_receipt(dump(forged), key->public_pem()).error().rule, "receipt.signature");
  forged = envelope;
  forged["signatures"].push_back(forged["signatures"][0]);
  EXPECT_EQ(verify_receipt(dump(forged), key->public_pem()).error().rule, "receipt.envelope");
  forged = envelope;
  forged["extra"] = 1;
  EXPECT_EQ(verify_receipt(dump(forged), key->public_pem()).error().rule, "receipt.envelope");
}

TEST_F(ReceiptTest, WhatIsSignedMustBeAReceipt) {
  const auto key = ReceiptKey::load_or_create(kernel_, keys());
  for (const Json& other : {Json::object(), Json("x"), Json({{"_type", "x"}})})
    EXPECT_FALSE(verify_receipt(dump(*key->sign(other)), key->public_pem()));
  auto statement = make_statement(facts());
  statement["predicateType"] = "https://example.com/other";
  EXPECT_EQ(verify_receipt(dump(*key->sign(statement)), key->public_pem()).error().rule,
            "receipt.format");
}

TEST_F(ReceiptTest, MutatedEnvelopesNeverVerify) {
  const auto key = ReceiptKey::load_or_create(kernel_, keys());
  const Json statement = make_statement(facts());
  const std::string good = dump(*key->sign(statement));
  const Json kept = *verify_receipt(good, key->public_pem());
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string text = good;
    text[random() % text.size()] = static_cast<char>(random());
    const auto verified = verify_receipt(text, key->public_pem());
    // The key id is a hint and not signed: changing it changes nothing that is claimed.
    EXPECT_EQ(verified.value_or(kept), kept);
  }
}

TEST(PublicKeys, OnlyOneFormIsRead) {
  PublicKey key{};
  key[0] = 7;
  const std::string pem = to_pem(key);
  EXPECT_EQ(*from_pem(pem), key);
  EXPECT_FALSE(from_pem(pem.substr(0, pem.size() - 1)));
  EXPECT_FALSE(from_pem(pem + pem));
  EXPECT_FALSE(from_pem(""));
  EXPECT_FALSE(from_pem("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"));
  std::mt19937 random(9);
  for (int round = 0; round < 2000; ++round) {
    std::string text = pem;
    text.resize(random() % (pem.size() + 1));
    EXPECT_EQ(from_pem(text).has_value(), text == pem);
  }
}

TEST(Describe, HostileTextIsShownEscaped) {
  const std::string shown =
      describe_receipt({{"predicate", {{"tenant", "a\x1b[2J\nexit code   0"}}}});
  EXPECT_EQ(shown.find('\x1b'), std::string::npos);
  EXPECT_NE(shown.find("\\n"), std::string::npos);
  EXPECT_NO_FATAL_FAILURE(describe_receipt(Json()));
  EXPECT_NO_FATAL_FAILURE(describe_receipt({{"predicate", {{"datasets", Json::array({3, "x"})}}}}));
}

}  // namespace
}  // namespace casemate::evidence
