// One function per step of init; each file of this folder implements one kernel feature.
#pragma once

#include "shim/apply/init_context.h"

namespace casemate::apply {

// root.cc
Status apply(InitContext& context, const plan::AttachRoot& step);
Status apply(InitContext& context, const plan::PivotRoot& step);
Status apply(InitContext& context, const plan::RootReadonly& step);
// mounts.cc
Status apply(InitContext& context, const plan::AttachMount& step, std::size_t index);
// devices.cc
Status apply(InitContext& context, const plan::MakeDevice& step);
Status apply(InitContext& context, const plan::MakeSymlink& step);
// console.cc
Status apply(InitContext& context, const plan::AttachConsole& step);
// masks.cc
Status apply(InitContext& context, const plan::ReadonlyPath& step, std::size_t index);
Status apply(InitContext& context, const plan::MaskPath& step, std::size_t index);
// uts.cc
Status apply(InitContext& context, const plan::SetHostname& step);
Status apply(InitContext& context, const plan::WriteSysctl& step);
// limits.cc
Status apply(InitContext& context, const plan::SetOomScore& step);
Status apply(InitContext& context, const plan::SetRlimit& step);
// scheduling.cc
Status apply(InitContext& context, const plan::SetScheduler& step);
Status apply(InitContext& context, const plan::SetIoPriority& step);
Status apply(InitContext& context, const plan::SetCpuAffinity& step);
Status apply(InitContext& context, const plan::SetMemoryPolicy& step);
Status apply(InitContext& context, const plan::SetPersonality& step);
// identity.cc
Status apply(InitContext& context, const plan::SetLabel& step);
Status apply(InitContext& context, const plan::NewKeyring& step);
Status apply(InitContext& context, const plan::NoNewPrivileges& step);
Status apply(InitContext& context, const plan::SetCredentials& step);
Status apply(InitContext& context, const plan::SetCapabilities& step);
// seccomp.cc
Status apply(InitContext& context, const plan::LoadSeccomp& step, std::size_t index);
// program.cc
Status apply(InitContext& context, const plan::SetWorkingDirectory& step);
Status apply(InitContext& context, const plan::ResolveProgram& step);

}  // namespace casemate::apply
