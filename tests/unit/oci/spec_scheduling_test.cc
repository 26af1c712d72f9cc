#include <gtest/gtest.h>

#include "shim/oci/number_list.h"
#include "shim/oci/spec.h"
#include "tests/unit/base/outcome.h"

namespace casemate::oci {
namespace {

Json minimal() {
  return Json::parse(R"({"ociVersion": "1.3.0", "root": {"path": "r"}, "linux": {},
                         "process": {"args": ["/x"], "cwd": "/"}})");
}

Result<Spec> parsed(const std::string& pointer, const std::string& value) {
  Json json = minimal();
  json[Json::json_pointer(pointer)] = Json::parse(value);
  return parse_spec(json.dump());
}

std::string refused(const std::string& pointer, const std::string& value) {
  const auto spec = parsed(pointer, value);
  return spec ? "(success)" : spec.error().rule + " " + spec.error().pointer;
}

TEST(SpecScheduling, NothingAskedIsNothing) {
  const auto spec = parse_spec(minimal().dump());
  ASSERT_TRUE(spec);
  EXPECT_FALSE(spec->process->scheduler || spec->process->io_priority ||
               spec->process->exec_cpu_affinity || spec->linux.memory_policy);
  EXPECT_EQ(spec->linux.personality, "");
}

TEST(SpecScheduling, Scheduler) {
  const auto spec = parsed("/process/scheduler",
                           R"({"policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_RECLAIM"],
                               "runtime": 1000, "deadline": 2000, "period": 3000})");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->process->scheduler->period, 3000u);
  EXPECT_TRUE(spec->process->scheduler->realtime());
  const auto batch = parsed("/process/scheduler", R"({"policy": "SCHED_BATCH", "nice": -20})");
  ASSERT_TRUE(batch) << batch.error().message();
  EXPECT_EQ(batch->process->scheduler->nice, -20);
  EXPECT_FALSE(batch->process->scheduler->realtime());
}

TEST(SpecScheduling, SchedulerRefused) {
  const std::string at = "/process/scheduler";
  const auto rule = [&](const char* value) { return refused(at, value); };
  EXPECT_EQ(rule("{}"), "json.missing-key /process/scheduler/policy");
  EXPECT_EQ(rule(R"({"policy":"SCHED_ISO"})"), "oci.scheduler-policy /process/scheduler/policy");
  EXPECT_EQ(rule(R"({"policy":"sched_other"})"), "oci.scheduler-policy /process/scheduler/policy");
  for (const char* nice : {"-21", "20", "4294967296"})
    EXPECT_EQ(rule((R"({"policy":"SCHED_OTHER","nice":)" + std::string(nice) + "}").c_str()),
              "oci.scheduler-nice /process/scheduler/nice");
  for (const char* value :
       {R"({"policy":"SCHED_FIFO"})", R"({"policy":"SCHED_RR","priority":0})",
        R"({"policy":"SCHED_RR","priority":100})", R"({"policy":"SCHED_OTHER","priority":1})",
        R"({"policy":"SCHED_FIFO","priority":-1})"})
    EXPECT_EQ(rule(value), "oci.scheduler-priority /process/scheduler/priority") << value;
  for (const char* value :
       {R"({"policy":"SCHED_OTHER","runtime":1})", R"({"policy":"SCHED_DEADLINE"})",
        R"({"policy":"SCHED_DEADLINE","runtime":3,"deadline":2})",
        R"({"policy":"SCHED_DEADLINE","runtime":1,"deadline":3,"period":2})"})
    EXPECT_EQ(rule(value), "oci.scheduler-deadline /process/scheduler") << value;
  for (const char* flag : {"SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_UTIL_CLAMP_MAX", "RECLAIM"})
    EXPECT_EQ(rule((R"({"policy":"SCHED_OTHER","flags":[")" + std::string(flag) + "\"]}").c_str()),
              "oci.scheduler-flag /process/scheduler/flags/0");
}

TEST(SpecScheduling, IoPriority) {
  const auto spec = parsed("/process/ioPriority", R"({"class":"IOPRIO_CLASS_BE","priority":7})");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->process->io_priority->priority, 7);
  EXPECT_EQ(refused("/process/ioPriority", R"({"class":"IOPRIO_CLASS_BE","priority":8})"),
            "oci.io-priority /process/ioPriority/priority");
  EXPECT_EQ(refused("/process/ioPriority", R"({"class":"IOPRIO_CLASS_NONE"})"),
            "oci.io-priority /process/ioPriority/class");
}

TEST(SpecScheduling, ExecCpuAffinity) {
  const auto spec = parsed("/process/execCPUAffinity", R"({"initial":"2,0-1","final":"7"})");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->process->exec_cpu_affinity->initial, (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(spec->process->exec_cpu_affinity->final, std::vector<std::uint32_t>{7});
  const auto empty = parsed("/process/execCPUAffinity", R"({"initial":""})");
  EXPECT_FALSE(empty->process->exec_cpu_affinity);
  EXPECT_EQ(refused("/process/execCPUAffinity", R"({"final":"0-x"})"),
            "oci.number-list /process/execCPUAffinity/final");
}

TEST(SpecScheduling, Personality) {
  EXPECT_EQ(parsed("/linux/personality", R"({"domain":"LINUX32"})")->linux.personality, "LINUX32");
  EXPECT_EQ(parsed("/linux/personality", R"({"domain":"LINUX","flags":[]})")->linux.personality,
            "LINUX");
  EXPECT_EQ(refused("/linux/personality", R"({"domain":"BSD"})"),
            "oci.personality /linux/personality/domain");
  for (const char* flag : {"ADDR_NO_RANDOMIZE", "READ_IMPLIES_EXEC"})
    EXPECT_EQ(refused("/linux/personality",
                      R"({"domain":"LINUX","flags":[")" + std::string(flag) + "\"]}"),
              "oci.personality-flags /linux/personality/flags");
}

TEST(SpecScheduling, MemoryPolicy) {
  const auto spec = parsed("/linux/memoryPolicy",
                           R"({"mode":"MPOL_BIND","nodes":"0-1","flags":["MPOL_F_STATIC_NODES"]})");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->linux.memory_policy->nodes, (std::vector<std::uint32_t>{0, 1}));
  for (const auto mode : memory_policy_modes()) {
    const bool none = mode == "MPOL_DEFAULT" || mode == "MPOL_LOCAL";
    const auto with = [&](const char* nodes) {
      return R"({"mode":")" + std::string(mode) + R"(","nodes":")" + nodes + "\"}";
    };
    EXPECT_EQ(parsed("/linux/memoryPolicy", with("0")).has_value(), !none) << mode;
    const bool needs = !none && mode != "MPOL_PREFERRED";
    EXPECT_EQ(parsed("/linux/memoryPolicy", with("")).has_value(), !needs) << mode;
  }
  EXPECT_EQ(refused("/linux/memoryPolicy", R"({"mode":"bind"})"),
            "oci.memory-policy /linux/memoryPolicy/mode");
  EXPECT_EQ(refused("/linux/memoryPolicy", R"({"mode":"MPOL_BIND","nodes":"1024"})"),
            "oci.number-list /linux/memoryPolicy/nodes");
  EXPECT_EQ(refused("/linux/memoryPolicy", R"({"mode":"MPOL_LOCAL","flags":["STATIC"]})"),
            "oci.memory-policy /linux/memoryPolicy/flags/0");
  EXPECT_EQ(refused("/linux/memoryPolicy",
                    R"({"mode":"MPOL_BIND","nodes":"0",
                        "flags":["MPOL_F_STATIC_NODES","MPOL_F_RELATIVE_NODES"]})"),
            "oci.memory-policy /linux/memoryPolicy/flags");
}

TEST(NumberList, ThereAndBack) {
  for (const char* text : {"", "0", "0-3", "1,3,5-6", "0,2,8191"}) {
    const auto list = parse_number_list(text, kMaxCpus, "/p");
    ASSERT_TRUE(list) << text;
    EXPECT_EQ(number_list(*list), text);
  }
  EXPECT_EQ(number_list(*parse_number_list("3,1-2,2-4", kMaxCpus, "/p")), "1-4");
}

TEST(NumberList, Nonsense) {
  for (const char* text : {",", "0,", ",0", "0,,1", "-", "1-", "-1", "2-1", "0x1", " 0", "0 ", "a",
                           "8192", "0-8192", "4294967296", "0-4294967295", "1--2", "+1"})
    EXPECT_EQ(rule_of(parse_number_list(text, kMaxCpus, "/p")), "oci.number-list") << text;
}

}  // namespace
}  // namespace casemate::oci
