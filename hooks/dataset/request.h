// What the runtime asks of casemate-unseal.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "hooks/dataset/aead.h"
#include "hooks/dataset/jose.h"
#include "hooks/dataset/sealed_file.h"
#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::dataset {

struct UnsealRequest {
  Expected expected;              // max_bytes also bounds the mount
  std::vector<std::string> kids;  // one private key file descriptor for each, in this order
  std::vector<TenantKey> tenant_keys;
  uid_t uid = 0;  // who owns the files
  gid_t gid = 0;
  mode_t mode = 0755;  // of the mount's root
  std::string label;   // SELinux label of the files; empty: the policy's choice
  Engine engine = Engine::automatic;
  unsigned threads = 0;
};

// {"tenant","dataset","profile","imageSigner"?,"maxBytes","maxCriticality","minSerial"?,"keys":[{"kid"}],
//  "tenantKeys":[{"name","pem"}],"mount"?:{"uid"?,"gid"?,"mode"?,"label"?},
//  "cipher"?:"automatic"|"openssl"|"ipsec-mb","threads"?}. Strict; bad_input json.* or
// dataset.request.
Result<UnsealRequest> parse_unseal_request(const Json& body);

}  // namespace casemate::dataset
