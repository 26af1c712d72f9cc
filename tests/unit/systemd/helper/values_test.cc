// Values as they lie in a message: a connection that never gets to speak is enough to make one.
#include "shim/systemd/helper/values.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "shim/base/unique_fd.h"
#include "shim/systemd/helper/answer.h"
#include "shim/systemd/helper/bus.h"

namespace casemate::sdbus {
namespace {

class Values : public ::testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    other_.reset(ends[1]);
    sd_bus* bus = nullptr;
    ASSERT_GE(sd_bus_new(&bus), 0);
    bus_.reset(bus);
    ASSERT_GE(sd_bus_set_fd(bus, ends[0], ends[0]), 0);
    ASSERT_GE(sd_bus_start(bus), 0);
  }
  Message message() const {
    sd_bus_message* out = nullptr;
    EXPECT_GE(sd_bus_message_new_method_call(bus_.get(), &out, "a.b", "/a", "a.b", "Call"), 0);
    return Message(out);
  }
  std::string refusal(const Json& properties) const {
    const Status appended = append_properties(message().get(), properties);
    return appended ? "" : appended.error().rule;
  }

 private:
  UniqueFd other_;
  // Without the flush of Unref, which waits for an answer of the other side.
  std::unique_ptr<sd_bus, decltype(&sd_bus_close_unref)> bus_{nullptr, &sd_bus_close_unref};
};

TEST_F(Values, OfEachTypeComeBack) {
  const Message made = message();
  const Status appended = append_properties(
      made.get(), {{"Slice", "s", "system.slice"},
                   {"Delegate", "b", true},
                   {"MemoryMax", "t", UINT64_MAX},
                   {"PIDs", "au", {0U, 7U}},
                   {"AllowedCPUs", "ay", {3U, 255U}},
                   {"DeviceAllow", "a(ss)", Json::array({{"/dev/char/1:3", "rw"}})},
                   {"Empty", "a(ss)", Json::array()}});
  ASSERT_TRUE(appended) << appended.error().message();
  ASSERT_GE(sd_bus_message_seal(made.get(), 1, 0), 0);
  ASSERT_GE(sd_bus_message_rewind(made.get(), 1), 0);

  const char* slice = nullptr;
  const char* path = nullptr;
  const char* access = nullptr;
  int delegate = 0;
  std::uint64_t memory = 0;
  std::uint32_t first = 9, second = 0;
  std::uint8_t low = 0, high = 0;
  ASSERT_GT(sd_bus_message_enter_container(made.get(), 'a', "(sv)"), 0);
  EXPECT_GT(sd_bus_message_read(made.get(), "(sv)", nullptr, "s", &slice), 0);
  EXPECT_GT(sd_bus_message_read(made.get(), "(sv)", nullptr, "b", &delegate), 0);
  EXPECT_GT(sd_bus_message_read(made.get(), "(sv)", nullptr, "t", &memory), 0);
  EXPECT_GT(sd_bus_message_read(made.get(), "(sv)", nullptr, "au", 2, &first, &second), 0);
  EXPECT_GT(sd_bus_message_read(made.get(), "(sv)", nullptr, "ay", 2, &low, &high), 0);
  EXPECT_GT(sd_bus_message_read(made.get(), "(sv)", nullptr, "a(ss)", 1, &path, &access), 0);
  EXPECT_GT(sd_bus_message_read(made.get(), "(sv)", nullptr, "a(ss)", 0), 0);
  EXPECT_EQ(sd_bus_message_at_end(made.get(), 0), 1);
  EXPECT_STREQ(slice, "system.slice");
  EXPECT_EQ(delegate, 1);
  EXPECT_EQ(memory, UINT64_MAX);
  EXPECT_EQ(first, 0u);
  EXPECT_EQ(second, 7u);
  EXPECT_EQ(low, 3);
  EXPECT_EQ(high, 255);
  EXPECT_STREQ(path, "/dev/char/1:3");
  EXPECT_STREQ(access, "rw");
}

TEST_F(Values, OfAnotherTypeAreRefused) {
  for (const char* text :
       {R"("x")", R"([1])", R"([["A","t"]])", R"([["A","",1]])", R"([[1,"t",1]])",
        R"([["A","t","1"]])", R"([["A","t",-1]])", R"([["A","s",1]])", R"([["A","b",1]])",
        R"([["A","ay",[256]]])", R"([["A","au",[4294967296]]])", R"([["A","ay",3]])",
        R"json([["A","a(ss)",[["one"]]]])json", R"json([["A","a(ss)",[["one",2]]]])json",
        R"([["A","x",1]])"}) {
    const auto json = parse_json(text);
    ASSERT_TRUE(json) << text;
    EXPECT_EQ(refusal(*json), "systemd.property") << text;
  }
}

// Before systemd is asked anything.
TEST(Answer, ARequestThatMakesNoSenseIsRefused) {
  const auto nowhere = [](const Json&, std::span<const int>) -> Status { return {}; };
  for (const char* text : {"3", "{}", R"({"op":"start"})", R"({"op":"set","unit":1})",
                           R"({"op":"stop","unit":"x.scope","more":1})"}) {
    const auto json = parse_json(text);
    ASSERT_TRUE(json) << text;
    sys::HelperMessage request;
    request.body = *json;
    const auto reply = answer(request, nowhere);
    ASSERT_FALSE(reply) << text;
    EXPECT_EQ(reply.error().cls, ErrorClass::bad_input) << text;
  }
}

}  // namespace
}  // namespace casemate::sdbus
