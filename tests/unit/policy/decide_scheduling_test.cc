// Who may run before all others, as what, and tell that it is ready.
#include "tests/unit/policy/fixture.h"

namespace casemate::policy {
namespace {

Decision decided(const char* profile, const Json& config, const Json& patch = {}) {
  const bool job = std::string_view(profile) == "restricted";
  return decide_profile(profile, patch, config, job ? job_context() : host_context());
}

Json asked(const char* key, const Json& value) {
  return {{"process", {{key, value}}}};
}

TEST(DecideScheduling, RealTimeNeedsTheProfile) {
  const Json allow = {{"resources", {{"unsafe_realtime", true}}}};
  for (const char* profile : {"baseline", "restricted"}) {
    for (const char* policy : {"SCHED_FIFO", "SCHED_RR"}) {
      const Json config = asked("scheduler", {{"policy", policy}, {"priority", 1}});
      EXPECT_EQ(refusal(decided(profile, config)).rule, "scheduler.realtime");
      EXPECT_FALSE(decided(profile, config, allow).denied) << profile;
    }
    const Json deadline =
        asked("scheduler", {{"policy", "SCHED_DEADLINE"}, {"runtime", 1}, {"deadline", 2}});
    EXPECT_EQ(refusal(decided(profile, deadline)).rule, "scheduler.realtime");
    const Json io = asked("ioPriority", {{"class", "IOPRIO_CLASS_RT"}});
    EXPECT_EQ(refusal(decided(profile, io)).rule, "io-priority.realtime");
    EXPECT_FALSE(decided(profile, io, allow).denied) << profile;
    for (const char* policy : {"SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE"})
      EXPECT_FALSE(decided(profile, asked("scheduler", {{"policy", policy}})).denied) << profile;
    for (const char* io_class : {"IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"})
      EXPECT_FALSE(decided(profile, asked("ioPriority", {{"class", io_class}})).denied) << profile;
  }
}

TEST(DecideScheduling, NiceIsBounded) {
  const Json config = asked("scheduler", {{"policy", "SCHED_OTHER"}, {"nice", -10}});
  const auto tightened = decided("baseline", config);
  ASSERT_NE(find_rule(tightened, "scheduler.nice"), nullptr);
  EXPECT_EQ(find_rule(tightened, "scheduler.nice")->pointer, "/process/scheduler/nice");
  EXPECT_EQ(tightened.spec.process->scheduler->nice, 0);
  const auto lower = decided("baseline", config, {{"resources", {{"nice_min", -5}}}});
  EXPECT_EQ(lower.spec.process->scheduler->nice, -5);
  const auto kept = decided("baseline", config, {{"resources", {{"nice_min", -20}}}});
  EXPECT_EQ(kept.spec.process->scheduler->nice, -10);
  EXPECT_EQ(find_rule(kept, "scheduler.nice"), nullptr);
}

TEST(DecideScheduling, PersonalityByProfile) {
  const Json config = {{"linux", {{"personality", {{"domain", "LINUX32"}}}}}};
  EXPECT_FALSE(decided("baseline", config).denied);
  EXPECT_EQ(refusal(decided("restricted", config)).rule, "process.personality");
  const Json native = {{"linux", {{"personality", {{"domain", "LINUX"}}}}}};
  EXPECT_FALSE(decided("restricted", native).denied);
}

// setarch -R would make the job's addresses known, setarch -X its data executable.
TEST(DecideScheduling, TheCallersPersonalityIsNotTheContainers) {
  HostFacts host = good_host();
  for (const unsigned long persona : {0x0040000UL, 0x0400000UL, 8UL}) {
    host.personality = persona;
    const auto decision = decide_profile("restricted", {}, {}, job_context(), host);
    EXPECT_FALSE(decision.denied);
    EXPECT_EQ(decision.spec.linux.personality, "LINUX") << persona;
    EXPECT_NE(find_rule(decision, "process.personality"), nullptr);
  }
  host.personality = 0;
  EXPECT_EQ(decide_profile("restricted", {}, {}, job_context(), host).spec.linux.personality, "");
}

TEST(DecideScheduling, NotifyByProfile) {
  for (const char* profile : {"baseline", "restricted"}) {
    const bool allowed = std::string_view(profile) == "baseline";
    JobContext context = allowed ? host_context() : job_context();
    EXPECT_FALSE(decide_profile(profile, {}, {}, context).notify);
    context.notify = true;
    const auto decision = decide_profile(profile, {}, {}, context);
    EXPECT_EQ(decision.notify, allowed);
    EXPECT_FALSE(decision.denied) << "ignored, not refused";
    EXPECT_EQ(find_rule(decision, "process.notify") == nullptr, allowed);
  }
}

}  // namespace
}  // namespace casemate::policy
