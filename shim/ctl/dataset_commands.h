// `casectl dataset …`: what a tenant does with his data, on his own machine, without privileges.
#pragma once

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "shim/base/result.h"

namespace casemate::ctl {

// A key pair for key slots: PREFIX.jwk (private, 0600) and PREFIX.pub.jwk. Existing files are not
// overwritten (denied "dataset.exists").
struct DatasetKeygen {
  std::string prefix;
  std::string kid;  // empty: "file:" and the last component of the prefix
};
Status dataset_keygen(const DatasetKeygen& args, std::ostream& out);

struct DatasetSeal {
  std::string source;  // a folder
  std::string output;  // written beside itself, then renamed; an existing file is replaced
  std::string id;
  std::string tenant;
  std::uint64_t serial = 1;
  std::string criticality = "restricted";
  std::string signing_key;              // PEM, ECDSA P-256
  std::vector<std::string> recipients;  // public JWK files
  std::vector<std::string> allow_profiles;
  std::vector<std::string> allow_signers;
  bool progress = true;  // a line on standard error when that is a terminal
};
Status dataset_seal(const DatasetSeal& args, std::ostream& out);

// Only what anybody who holds the file can see.
Status dataset_inspect(const std::string& file, std::ostream& out);

// Decrypts everything, writes nothing; says what the tenant signed.
struct DatasetVerify {
  std::string file;
  std::vector<std::string> keys;         // private JWK files; the slot is found by their kid
  std::vector<std::string> tenant_keys;  // PEM files
};
Status dataset_verify(const DatasetVerify& args, std::ostream& out);

// The arguments behind "casectl dataset": a subcommand and its options. bad_input "usage.dataset".
Status dataset_command(std::span<const std::string> args, std::ostream& out);

}  // namespace casemate::ctl
