#include "shim/run/exec_request.h"

#include <gtest/gtest.h>

#include "tests/unit/base/outcome.h"

namespace casemate::run {
namespace {

using Words = std::vector<std::string>;

TEST(ParseUser, Accepted) {
  struct Row {
    const char* text;
    std::uint32_t uid;
    std::optional<std::uint32_t> gid;
  };
  for (const Row& row :
       {Row{"0", 0, {}}, Row{"1000", 1000, {}}, Row{"1000:1001", 1000, 1001}, Row{"0:0", 0, 0},
        Row{"2147483647", 2147483647, {}}, Row{"1:2147483647", 1, 2147483647}, Row{"007", 7, {}}}) {
    const auto user = parse_user(row.text);
    ASSERT_TRUE(user) << row.text;
    EXPECT_EQ(user->uid, row.uid) << row.text;
    EXPECT_EQ(user->gid, row.gid) << row.text;
  }
}

TEST(ParseUser, Refused) {
  for (const char* text : {"",
                           ":",
                           "root",
                           "root:root",
                           "0:root",
                           "root:0",
                           "1000:",
                           ":1000",
                           "1:2:3",
                           "-1",
                           "+1",
                           "1:-1",
                           " 1",
                           "1 ",
                           "1: 2",
                           "0x10",
                           "1e3",
                           "1.0",
                           "2147483648",
                           "4294967295",
                           "4294967296",
                           "1:2147483648",
                           "99999999999999999999",
                           "1\n",
                           "1,2"})
    EXPECT_EQ(rule_of(parse_user(text)), "exec.user") << text;
  EXPECT_EQ(rule_of(parse_user(std::string_view("1\0", 2))), "exec.user");
}

oci::Process container() {
  oci::Process process;
  process.args = {"/init"};
  process.env = {"PATH=/bin", "A=own"};
  process.cwd = "/srv";
  process.user = {.uid = 5, .gid = 6, .umask = 027, .additional_gids = {7}};
  process.capabilities = oci::Capabilities{.bounding = {"CAP_KILL"}, .permitted = {"CAP_KILL"}};
  process.no_new_privileges = true;
  return process;
}

TEST(AskedProcess, StartsFromTheContainers) {
  ExecRequest request;
  request.args = {"sh", "-c", "true"};
  const auto process = asked_process(request, container());
  ASSERT_TRUE(process) << process.error().message();
  EXPECT_EQ(process->args, request.args);
  EXPECT_EQ(process->env, container().env);
  EXPECT_EQ(process->cwd, "/srv");
  EXPECT_EQ(process->user.uid, 5u);
  EXPECT_EQ(process->user.gid, 6u);
  EXPECT_EQ(process->user.umask, 027u);
  EXPECT_EQ(process->user.additional_gids, std::vector<std::uint32_t>{7});
  EXPECT_EQ(process->capabilities->bounding, Words{"CAP_KILL"});
  EXPECT_TRUE(process->capabilities->effective.empty());
  EXPECT_TRUE(process->no_new_privileges);
  EXPECT_FALSE(process->terminal);
}

TEST(AskedProcess, OptionsChangeIt) {
  ExecRequest request;
  request.args = {"id"};
  request.env = {"A=first", "B=", "A=last=1"};
  request.cwd = "/tmp";
  request.user = "9";
  request.additional_gids = {"8"};
  request.capabilities = {"CAP_CHOWN", "CAP_KILL"};
  request.terminal = true;
  const auto process = asked_process(request, container());
  ASSERT_TRUE(process) << process.error().message();
  EXPECT_EQ(process->env, (Words{"PATH=/bin", "B=", "A=last=1"}));
  EXPECT_EQ(process->cwd, "/tmp");
  EXPECT_EQ(process->user.uid, 9u);
  EXPECT_EQ(process->user.gid, 6u);  // the container's, as no group was named
  EXPECT_EQ(process->user.additional_gids, (std::vector<std::uint32_t>{7, 8}));
  EXPECT_EQ(process->capabilities->bounding, (Words{"CAP_KILL", "CAP_CHOWN"}));
  EXPECT_EQ(process->capabilities->effective, (Words{"CAP_CHOWN", "CAP_KILL"}));
  EXPECT_TRUE(process->terminal);
  request.user = "9:10";
  EXPECT_EQ(asked_process(request, container())->user.gid, 10u);
}

TEST(AskedProcess, MalformedRequests) {
  const auto rule = [](const auto& change) {
    ExecRequest request;
    request.args = {"true"};
    change(request);
    return rule_of(asked_process(request, container()));
  };
  EXPECT_EQ(rule([](ExecRequest&) {}), "(success)");
  EXPECT_EQ(rule([](ExecRequest& r) { r.args.clear(); }), "exec.args");
  EXPECT_EQ(rule([](ExecRequest& r) { r.args = {""}; }), "oci.args");
  EXPECT_EQ(rule([](ExecRequest& r) { r.env = {"novalue"}; }), "exec.env");
  EXPECT_EQ(rule([](ExecRequest& r) { r.env = {"=value"}; }), "exec.env");
  EXPECT_EQ(rule([](ExecRequest& r) { r.cwd = "relative"; }), "oci.cwd");
  EXPECT_EQ(rule([](ExecRequest& r) { r.user = "root"; }), "exec.user");
  EXPECT_EQ(rule([](ExecRequest& r) { r.additional_gids = {"-1"}; }), "exec.group");
  EXPECT_EQ(rule([](ExecRequest& r) { r.capabilities = {"KILL"}; }), "oci.capability");
  EXPECT_EQ(rule([](ExecRequest& r) { r.process_label = "a\nb"; }), "oci.selinux-label");
  EXPECT_EQ(rule([](ExecRequest& r) { r.args = {"a\xff"}; }), "exec.utf8");
  EXPECT_EQ(rule([](ExecRequest& r) { r.env = {"A=\xff"}; }), "exec.utf8");
  EXPECT_EQ(rule([](ExecRequest& r) { r.cwd = "/\xff"; }), "exec.utf8");
}

TEST(AskedProcess, AProcessFileSaysEverything) {
  ExecRequest request;
  request.process_json = R"({"args":["id"],"cwd":"/","user":{"uid":1,"gid":2}})";
  const auto process = asked_process(request, container());
  ASSERT_TRUE(process);
  EXPECT_EQ(process->user.uid, 1u);
  EXPECT_TRUE(process->env.empty());
  EXPECT_FALSE(process->capabilities);
  EXPECT_FALSE(process->terminal);
  request.terminal = true;  // conmon gives --tty beside --process
  EXPECT_TRUE(asked_process(request, container())->terminal);
  request.process_json = "{";
  EXPECT_FALSE(asked_process(request, container()));
}

using Below = std::map<std::string, std::string>;

TEST(ParseSubgroups, OneForAllOrOneForEachController) {
  EXPECT_EQ(parse_subgroups({}).value(), Below());
  EXPECT_EQ(parse_subgroups({"inner"}).value(), (Below{{"", "inner"}}));
  EXPECT_EQ(parse_subgroups({"//a/b"}).value(), (Below{{"", "a/b"}}));
  EXPECT_EQ(parse_subgroups({"cpu,cpuacct:x", "memory:/y"}).value(),
            (Below{{"cpu", "x"}, {"cpuacct", "x"}, {"memory", "y"}}));
  EXPECT_EQ(parse_subgroups({"memory:a:b"}).value(), (Below{{"memory", "a:b"}}));
}

TEST(ParseSubgroups, Refused) {
  for (const Words& words : {Words{""}, Words{"/"}, Words{"memory:"}, Words{":x"}, Words{"cpu,:x"},
                             Words{"a", "b"}, Words{"memory:a", "b"}, Words{"cpu:a", "cpu:b"}}) {
    const auto parsed = parse_subgroups(words);
    EXPECT_EQ(parsed ? "" : parsed.error().rule, "exec.cgroup") << words[0];
  }
}

}  // namespace
}  // namespace casemate::run
