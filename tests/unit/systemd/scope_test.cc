#include "shim/systemd/scope.h"

#include <gtest/gtest.h>

namespace casemate::systemd {
namespace {

struct Named {
  const char* cgroups_path;
  const char* slice;
  const char* unit;
  const char* control_group;
};

TEST(Scope, WhatEnginesAskFor) {
  const Named cases[] = {
      {"system.slice:docker:0123abcd", "system.slice", "docker-0123abcd.scope",
       "/system.slice/docker-0123abcd.scope"},
      {"machine.slice:libpod:0123", "machine.slice", "libpod-0123.scope",
       "/machine.slice/libpod-0123.scope"},
      {"kubepods-besteffort-pod1_2.slice:cri-containerd:77", "kubepods-besteffort-pod1_2.slice",
       "cri-containerd-77.scope",
       "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/"
       "cri-containerd-77.scope"},
      {":docker:x", "system.slice", "docker-x.scope", "/system.slice/docker-x.scope"},
      {"-.slice:docker:x", "-.slice", "docker-x.scope", "/docker-x.scope"},
      {"a.slice::x", "a.slice", "x.scope", "/a.slice/x.scope"},
      {"::casemate-1f", "system.slice", "casemate-1f.scope", "/system.slice/casemate-1f.scope"},
      {"a-b-c.slice:p:x\\x2dy", "a-b-c.slice", "p-x\\x2dy.scope",
       "/a.slice/a-b.slice/a-b-c.slice/p-x\\x2dy.scope"},
  };
  for (const Named& one : cases) {
    const auto scope = parse_scope(one.cgroups_path);
    ASSERT_TRUE(scope) << one.cgroups_path << ": " << scope.error().message();
    EXPECT_EQ(scope->slice, one.slice);
    EXPECT_EQ(scope->unit, one.unit);
    const auto group = control_group(*scope);
    ASSERT_TRUE(group) << group.error().message();
    EXPECT_EQ(*group, one.control_group);
  }
}

TEST(Scope, OtherFormsAndNamesThatNoUnitHasAreRefused) {
  const std::string longest = "a.slice:p:" + std::string(255 - 2 - 6 - 1, 'x');
  ASSERT_TRUE(parse_scope(longest)) << "254 bytes are a unit's name";
  for (const std::string& path : {std::string("/system.slice/docker-x.scope"),
                                  std::string("docker/x"),
                                  std::string("a:b"),
                                  std::string("a.slice:b:c:d"),
                                  std::string("system.slice:docker:"),
                                  std::string("::"),
                                  std::string("system:docker:x"),
                                  std::string("/a.slice:docker:x"),
                                  std::string("a/b.slice:docker:x"),
                                  std::string(".slice:docker:x"),
                                  std::string("-a.slice:docker:x"),
                                  std::string("a-.slice:docker:x"),
                                  std::string("a--b.slice:docker:x"),
                                  std::string("../x.slice:docker:x"),
                                  std::string("a.slice:docker:../../x"),
                                  std::string("a.slice:docker:x y"),
                                  std::string("a.slice:docker:x@1"),
                                  std::string("a.slice:docker:x\n"),
                                  std::string("a.slice::.hidden"),
                                  std::string("a.slice:docker:x.slice"),
                                  longest + "x"}) {
    const auto scope = parse_scope(path);
    ASSERT_FALSE(scope) << path << " became " << scope->unit << " in " << scope->slice;
    EXPECT_EQ(scope.error().rule, "cgroup.systemd") << path;
    EXPECT_EQ(scope.error().pointer, "/linux/cgroupsPath") << path;
  }
}

}  // namespace
}  // namespace casemate::systemd
