// The libipsec-mb engine; only compiled in where the library was found at configure time.
#pragma once

#include "hooks/dataset/aead.h"

namespace casemate::dataset {

bool cpu_suits_ipsec_mb();
Result<std::unique_ptr<Aead>> make_ipsec_mb_aead(const SecretBytes& key,
                                                 std::span<const unsigned char> aad);

}  // namespace casemate::dataset
