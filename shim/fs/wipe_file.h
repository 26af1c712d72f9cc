// Overwriting ranges of files on several threads; the part of wipe_tree() that touches bytes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"

namespace casemate::fs {

class Overwriter {
 public:
  Overwriter();
  ~Overwriter();
  Overwriter(const Overwriter&) = delete;
  Overwriter& operator=(const Overwriter&) = delete;

  // Queues the allocated ranges of a regular file open for reading and writing; returns early.
  Status overwrite(UniqueFd file);
  // Waits until all that was queued so far is overwritten, or has failed.
  void drain();
  // Waits for the rest and ends the threads; the first error, or the number of bytes overwritten.
  Result<std::uint64_t> finish();

 private:
  struct Piece {
    std::shared_ptr<UniqueFd> file;
    std::uint64_t begin = 0;
    std::uint64_t length = 0;
  };
  void push(Piece piece);
  void work();
  void process(const Piece& piece);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> queue_;
  std::size_t unfinished_ = 0;  // queued or at work
  bool closed_ = false;
  std::uint64_t bytes_ = 0;
  std::optional<Error> first_error_;
  std::vector<std::jthread> threads_;
};

}  // namespace casemate::fs
