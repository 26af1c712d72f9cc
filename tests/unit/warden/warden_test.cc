#include "shim/warden/warden.h"

#include "shim/warden/holdings.h"
#include "tests/unit/warden/harness.h"

namespace casemate::warden {
namespace {

using testing::DummyInit;
using testing::kPatience;
using testing::Secret;
using testing::WardenTest;

TEST_F(WardenTest, ALifeFromCreateToReceipt) {
  create();
  auto client = connect();
  auto standing = client.status();
  ASSERT_TRUE(standing);
  EXPECT_EQ(standing->state, State::created);
  EXPECT_TRUE(standing->init_alive);
  const auto started = client.start(kPatience);
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_EQ(client.status()->state, State::running);
  EXPECT_EQ(client.start(kPatience).error().rule, "container.state");
  ASSERT_TRUE(client.kill(SIGTERM));
  EXPECT_EQ(WTERMSIG(init_.reap()), SIGTERM);
  expect_wiped();
  EXPECT_EQ(secret_.bytes_left(), 0u);

  const auto result = reopen().load_result();
  ASSERT_TRUE(result && *result);
  EXPECT_EQ((*result)->exit_code, 128 + SIGTERM);
  EXPECT_EQ((*result)->wiped_files, 1u);
  EXPECT_GE((*result)->wiped_bytes, testing::Secret::kSize);
  EXPECT_EQ((*result)->problem, "");
  const Json receipt = only_receipt();
  EXPECT_EQ(receipt.at("container"), "c1");
  EXPECT_EQ(receipt.at("tenant"), "acme");
  EXPECT_EQ(receipt.at("datasets").at(0).at("id"), "digits");
  EXPECT_EQ(receipt.at("exitCode"), 128 + SIGTERM);
  EXPECT_EQ(receipt.at("warden"), "ok");
  EXPECT_EQ(receipt.at("twin"), "ok");
  for (const char* time : {"created", "started", "ended", "wiped"})
    EXPECT_TRUE(receipt.at("times").at(time).is_string()) << time;
}

TEST_F(WardenTest, InitKilledBeforeStart) {
  create();
  ASSERT_EQ(::kill(init_.pid, SIGKILL), 0);
  init_.reap();
  expect_wiped();
  EXPECT_EQ(secret_.bytes_left(), 0u);
  EXPECT_EQ(only_receipt().at("exitCode"), 137);
  auto dir = reopen();
  EXPECT_TRUE(dir.remove());
  EXPECT_TRUE(dir.remove());  // may be repeated
  EXPECT_TRUE(ContainerDir::list(kernel_, state_path(), "/run/test")->empty());
}

TEST_F(WardenTest, AParentThatDoesNotReapDelaysNothingForLong) {
  create();
  ASSERT_EQ(::kill(init_.pid, SIGKILL), 0);
  expect_wiped();
  EXPECT_TRUE(only_receipt().at("exitCode").is_null());
}

TEST_F(WardenTest, TheTwinCleansUpForAKilledWarden) {
  create();
  ASSERT_EQ(::kill(warden_, SIGKILL), 0);
  init_.reap();
  expect_wiped();
  EXPECT_EQ(secret_.bytes_left(), 0u);
  const Json receipt = only_receipt();
  EXPECT_EQ(receipt.at("warden"), "lost");
  EXPECT_EQ(receipt.at("twin"), "ok");
  EXPECT_EQ(receipt.at("datasets").at(0).at("id"), "digits");
  EXPECT_GE(receipt.at("wiped").at("bytes"), testing::Secret::kSize);
}

TEST_F(WardenTest, TheWardenEndsTheJobWhenTheTwinIsKilled) {
  create();
  ASSERT_EQ(::kill(twin_, SIGKILL), 0);
  EXPECT_EQ(WTERMSIG(init_.reap()), SIGKILL);
  expect_wiped();
  EXPECT_EQ(secret_.bytes_left(), 0u);
  EXPECT_EQ(only_receipt().at("twin"), "lost");
}

TEST_F(WardenTest, BothKilledIsReconciledWithoutAClaimToHaveWiped) {
  create();
  kill_both();
  ASSERT_EQ(::kill(init_.pid, 0), 0);
  expect_wiped();
  EXPECT_NE(init_.reap(), -1);
  const Json receipt = only_receipt();
  EXPECT_EQ(receipt.at("warden"), "lost");
  EXPECT_EQ(receipt.at("twin"), "lost");
  EXPECT_TRUE(receipt.at("wiped").is_null());
}

TEST_F(WardenTest, BothKilledWhileADatasetIsDecryptedClaimNothing) {
  open();
  hold_mount();
  kill_both();
  leave();
  expect_wiped();
  EXPECT_TRUE(only_receipt().at("wiped").is_null());
}

TEST_F(WardenTest, WhatIsAcknowledgedIsOnFileHoweverManyCameAtOnce) {
  open();
  const Secret other = Secret::make(kernel_);
  ASSERT_TRUE(client_->hold_mount("dataset:digits", secret_.mount.get()));
  ASSERT_TRUE(client_->intend_cgroup("/casemate-warden-test-none"));
  ASSERT_TRUE(client_->hold_mount("tmpfs:/tmp", other.mount.get()));
  ASSERT_TRUE(client_->acknowledged());
  const auto holdings = load_holdings(kernel_, dir_->fd(), "c1");
  ASSERT_TRUE(holdings) << holdings.error().message();
  EXPECT_EQ(holdings->lost_mounts, (std::vector<std::string>{"dataset:digits", "tmpfs:/tmp"}));
  EXPECT_EQ(holdings->intended_cgroups.size(), 1u);
  leave();
  expect_rolled_back();
  EXPECT_EQ(secret_.bytes_left() + other.bytes_left(), 0u);
}

TEST_F(WardenTest, AReconcileLeavesALivingContainerAlone) {
  create();
  auto dir = reopen();
  EXPECT_EQ(reconcile(kernel_, dir).error().rule, "warden.alive");
  EXPECT_EQ(connect().status()->state, State::created);
  EXPECT_EQ(await_wiped(kernel_, dir, std::chrono::milliseconds(50)).error().rule,
            "warden.timeout");
  ASSERT_EQ(::kill(init_.pid, SIGKILL), 0);
  init_.reap();
  expect_wiped();
}

TEST_F(WardenTest, AnErrorOfInitIsTheAnswerToStart) {
  create(DummyInit::Kind::fails);
  const auto started = connect().start(kPatience);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().rule, "test.exec");
  EXPECT_EQ(started.error().cls, ErrorClass::denied);
  init_.reap();
  expect_wiped();
  EXPECT_TRUE(only_receipt().at("times").value("started", Json()).is_null());
}

TEST_F(WardenTest, TheCallersEndAfterOpenRollsBack) {
  open();
  leave();
  expect_rolled_back();
}

TEST_F(WardenTest, TheCallersEndWithADatasetRollsBack) {
  open();
  hold_mount();
  leave();
  expect_rolled_back();
  EXPECT_EQ(secret_.bytes_left(), 0u);
}

TEST_F(WardenTest, TheCallersEndBeforeCommitKillsInit) {
  open();
  hold_mount();
  hold_init();
  leave();
  init_.reap();
  expect_rolled_back();
  EXPECT_EQ(secret_.bytes_left(), 0u);
}

TEST_F(WardenTest, AWardenKilledBeforeCommitIsRolledBackByTheTwin) {
  open();
  hold_mount();
  hold_init();
  ASSERT_EQ(::kill(warden_, SIGKILL), 0);
  EXPECT_EQ(client_->commit(Json::object()).error().rule, "warden.gone");
  init_.reap();
  leave();
  expect_rolled_back();
  EXPECT_EQ(secret_.bytes_left(), 0u);
}

TEST_F(WardenTest, ATwinKilledBeforeCommitRollsBack) {
  open();
  hold_mount();
  hold_init();
  ASSERT_EQ(::kill(twin_, SIGKILL), 0);
  init_.reap();
  EXPECT_EQ(client_->commit(Json::object()).error().rule, "warden.gone");
  leave();
  expect_rolled_back();
  EXPECT_EQ(secret_.bytes_left(), 0u);
}

TEST_F(WardenTest, ARollBackThatCannotEndTheJobClaimsNoWipeAndKeepsWhatDeleteNeeds) {
  open();
  hold_mount();
  ASSERT_TRUE(client_->hold_cgroup({{"no", "cgroup"}}));  // nobody can say who is in it
  ASSERT_TRUE(client_->acknowledged());
  leave();
  ::waitpid(warden_, nullptr, 0);
  warden_ = 0;
  EXPECT_EQ(secret_.bytes_left(), 0u);
  const Json record = *parse_json(audit_text());
  EXPECT_EQ(record.at("event"), "create.rollback");
  EXPECT_TRUE(record.at("facts").at("wiped").is_null());
  EXPECT_FALSE(record.at("facts").at("problem").get<std::string>().empty());
  expect_wiped();  // as delete --force does it
  EXPECT_TRUE(only_receipt().at("wiped").is_null());
}

TEST_F(WardenTest, ARollBackLeavesTheUnitForDelete) {
  open();
  hold_mount();
  ASSERT_TRUE(dir_->save_unit({{"name", "docker-c1.scope"}}));
  leave();
  ::waitpid(warden_, nullptr, 0);
  warden_ = 0;
  EXPECT_EQ(secret_.bytes_left(), 0u);
  EXPECT_EQ(parse_json(audit_text())->at("event"), "create.rollback");
  EXPECT_EQ(journal_state(kernel_, reopen().fd()), State::wiped);
  EXPECT_TRUE(reopen().load_unit()->has_value());
  EXPECT_FALSE(ContainerDir::create(kernel_, state_path(), "/run/test", "c1"));
}

TEST_F(WardenTest, CommitNeedsTheStatesBeforeIt) {
  dir_->remove();
  auto dir = ContainerDir::create(kernel_, state_path(), "/run/test", "c1");
  ASSERT_TRUE(dir);
  *dir_ = std::move(*dir);
  open();
  EXPECT_EQ(client_->commit(Json::object()).error().rule, "warden.message");  // no init yet
  hold_init();
  EXPECT_EQ(client_->commit(Json::object()).error().rule, "journal.transition");
  leave();
  init_.reap();
  expect_rolled_back();
}

TEST_F(WardenTest, NonsenseIsRefusedAndHarmsNothing) {
  open();
  hold_mount();
  for (const Json& nonsense :
       {Json("x"), Json::object(), Json({{"op", "fly"}}), Json({{"op", "start"}}),
        Json({{"op", "hold"}, {"what", "moon"}}), Json({{"op", "hold"}, {"what", "upper"}}),
        Json({{"op", "commit"}, {"extra", 1}}), Json({{"op", "open"}, {"id", 3}})}) {
    ASSERT_TRUE(send(kernel_, client_->socket(), nonsense, {}));
    const auto packet = receive(kernel_, client_->socket(), kPatience);
    ASSERT_TRUE(packet) << nonsense;
    EXPECT_FALSE(open_reply(packet->body)) << nonsense;
  }
  hold_init();
  ASSERT_TRUE(client_->commit(Json::object()));
  leave();
  ASSERT_EQ(::kill(init_.pid, SIGKILL), 0);
  init_.reap();
  expect_wiped();
  EXPECT_EQ(secret_.bytes_left(), 0u);
}

TEST_F(WardenTest, EvidenceThatCannotBeWrittenRefusesCreate) {
  std::filesystem::create_directories(data_path());
  std::ofstream(data_path() + "/audit") << "a file where the folder should be";
  auto client = WardenClient::spawn(kernel_, CASEMATE_BINARY_DIR "/bin/casemate-warden", {});
  ASSERT_TRUE(client);
  const Open request{.id = "c1", .root = "/run/test", .evidence = evidence()};
  ASSERT_TRUE(client->open(request, dir_->fd()));
  const auto opened = client->acknowledged();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().sys_errno, ENOTDIR);
  dir_->remove();
}

TEST_F(WardenTest, WaitersAreToldWhenItIsTime) {
  create();
  auto first = connect();
  auto second = connect();
  EXPECT_EQ(first.wait(State::stopped, std::chrono::milliseconds(20)).error().rule,
            "warden.timeout");
  ASSERT_EQ(::kill(init_.pid, SIGKILL), 0);
  init_.reap();
  EXPECT_TRUE(second.wait(State::wiped, kPatience) ||
              *journal_state(kernel_, reopen().fd()) == State::wiped);
  expect_wiped();
}

}  // namespace
}  // namespace casemate::warden
