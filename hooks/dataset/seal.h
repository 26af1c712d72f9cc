// Sealing: a folder becomes one sealed file. Needs no privilege and no service.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "hooks/dataset/aead.h"
#include "hooks/dataset/jose.h"
#include "hooks/dataset/manifest.h"
#include "shim/base/result.h"

namespace casemate::dataset {

struct Progress {
  std::uint64_t done = 0;  // payload bytes
  std::uint64_t total = 0;
  double seconds = 0;
};

struct SealOptions {
  std::string tenant;
  std::string dataset;
  std::uint64_t serial = 1;
  Criticality criticality = Criticality::restricted;
  Conditions conditions;
  std::span<const Recipient> recipients;
  const json_t* signing_key = nullptr;  // private_key_from_pem()
  Engine engine = Engine::automatic;
  unsigned threads = 0;                             // 0: all CPUs
  std::function<void(const Progress&)> progress{};  // called by one thread at a time
};

struct Sealed {
  FileId file{};
  std::uint64_t files = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t file_bytes = 0;  // the sealed file's size
  double seconds = 0;
  std::string engine;
};

// Seals the tree below `source` (a directory open for reading) into `output` (an empty regular file
// open for writing). On error the output is useless and is for the caller to remove.
// use_locked_json() must have been called.
Result<Sealed> seal(int source, const SealOptions& options, int output);

}  // namespace casemate::dataset
