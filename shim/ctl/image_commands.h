// casectl image sign|verify, casectl key generate. Each prints its result to stdout and returns why
// it failed. `args` are those after the command's words.
#pragma once

#include <span>
#include <string_view>

#include "shim/base/result.h"

namespace casemate::ctl {

// image sign --key FILE --layout DIR (--digest D | --tag T) [--repository R]
Status image_sign(std::span<const std::string_view> args);

// image verify --layout DIR (--digest D | --tag T) --key [NAME=]FILE… [--repository R]
//              [--rootfs DIR [--extra PATTERN]…] [--json] [--helper FILE]
// With --rootfs the unpacked rootfs is compared too. The work is done in casemate-verify, which is
// looked for beside casectl and in /usr/libexec/casemate.
Status image_verify(std::span<const std::string_view> args);

// key generate --type p256|ed25519 --out PREFIX
// Writes PREFIX (PKCS#8, 0600) and PREFIX.pub; refuses to replace either (denied "key.exists").
Status key_generate(std::span<const std::string_view> args);

}  // namespace casemate::ctl
