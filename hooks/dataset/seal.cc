#include "hooks/dataset/seal.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "hooks/dataset/file_io.h"
#include "hooks/dataset/format.h"
#include "hooks/dataset/layout_plan.h"
#include "hooks/dataset/parallel.h"
#include "hooks/dataset/walk.h"
#include "shim/base/clock.h"

namespace casemate::dataset {
namespace {

std::span<const unsigned char> view(const SecretBytes& secret) {
  return {secret.data(), secret.size()};
}

Status check_options(const SealOptions& options) {
  if (!is_name(options.tenant))
    return bad_input("dataset.name", "not a tenant's name: " + options.tenant);
  if (!is_name(options.dataset))
    return bad_input("dataset.name", "not a dataset id: " + options.dataset,
                     "letters, digits, '.', '_' and '-', at most 128");
  if (options.signing_key == nullptr) return bad_input("dataset.signature", "no signing key");
  for (const auto& recipient : options.recipients)
    if (!is_kid(recipient.kid))
      return bad_input("dataset.recipient", "not a key label: \"" + recipient.kid + "\"",
                       "give the public key a \"kid\" such as file:host-2026");
  return {};
}

Result<Manifest> make_manifest(const SealOptions& options, const SourceTree& tree,
                               std::span<const unsigned char> index) {
  Manifest m;
  m.tenant = options.tenant;
  m.dataset = options.dataset;
  m.serial = options.serial;
  m.criticality = options.criticality;
  m.conditions = options.conditions;
  m.created = now_rfc3339();
  m.dek = TRY(random_secret(kKeyBytes));
  const SecretBytes noise = TRY(random_secret(m.file.size() + m.salt.size()));
  std::copy_n(noise.data(), m.file.size(), m.file.begin());
  std::copy_n(noise.data() + m.file.size(), m.salt.size(), m.salt.begin());
  m.index_bytes = index.size();
  m.index_digest = sha256(index);
  m.payload_bytes = tree.payload_bytes;
  m.body_bytes = body_bytes_for(m.index_bytes, m.payload_bytes);
  m.files = tree.files;
  m.total_bytes = tree.total_bytes;
  return m;
}

class Sealer {
 public:
  Sealer(int source, int output, const SealOptions& options, const SourceTree& tree, Layout layout)
      : source_(source),
        output_(output),
        options_(options),
        tree_(tree),
        layout_(layout),
        tags_(layout.tag_slots),
        begun_(monotonic_ns()) {}

  Status index(Aead& aead, std::span<const unsigned char> index) {
    std::vector<unsigned char> chunk(kChunk);
    for (std::uint64_t i = 0; i < layout_.index_chunks(); ++i) {
      const std::uint64_t begin = i * kChunk;
      const std::uint64_t end = std::min(begin + kChunk, layout_.index_cipher);
      const std::uint64_t filled = std::min<std::uint64_t>(end, index.size());
      std::fill(chunk.begin(), chunk.end(), 0);
      std::copy(index.begin() + begin, index.begin() + filled, chunk.begin());
      const std::span<unsigned char> bytes(chunk.data(), end - begin);
      TRY(aead.seal(chunk_nonce(i, i + 1 == layout_.index_chunks()), bytes, bytes.data(),
                    tags_[i]));
      TRY(write_at(output_, bytes, layout_.body_at + begin));
    }
    return {};
  }

  Status payload(const SecretBytes& key, std::span<const unsigned char> aad) {
    const auto runs = plan_runs(tree_.entries, layout_);
    struct Worker {
      std::unique_ptr<Aead> aead;
      Buffer buffer;
    };
    std::vector<Worker> workers;
    for (unsigned i = 0; i < threads_for(options_.threads, runs.size()); ++i) {
      auto aead = TRY(make_aead(options_.engine, key, aad));
      workers.push_back({std::move(aead), TRY(Buffer::allocate(kRunBytes))});
    }
    return for_each_item(runs.size(), options_.threads, [&](unsigned worker, std::size_t item) {
      return run(runs[item], *workers[worker].aead, workers[worker].buffer);
    });
  }

  Status finish(const std::string& header) {
    std::vector<unsigned char> table(layout_.body_at - layout_.tags_at);
    std::memcpy(table.data(), tags_.data(), tags_.size() * kTagBytes);
    TRY(write_at(output_, table, layout_.tags_at));
    std::vector<unsigned char> head(layout_.tags_at);
    const auto prefix = make_prefix(static_cast<std::uint32_t>(header.size()));
    std::copy(prefix.begin(), prefix.end(), head.begin());
    std::copy(header.begin(), header.end(), head.begin() + kPrefixBytes);
    return write_at(output_, head, 0);
  }

 private:
  Status run(const Run& run, Aead& aead, Buffer& buffer) {
    const std::span<unsigned char> bytes = buffer.bytes().first(run.end - run.begin);
    std::memset(bytes.data(), 0, bytes.size());
    TRY(for_each_part(tree_.entries, run,
                      [&](std::size_t entry, std::uint64_t from, std::uint64_t length) {
                        return read_part(entry, from, bytes.subspan(from - run.begin, length));
                      }));
    for (std::uint64_t i = 0; i < run.chunks; ++i) {
      const std::uint64_t number = run.first_chunk + i;
      const auto chunk = bytes.subspan(i * kChunk, std::min(kChunk, bytes.size() - i * kChunk));
      const bool last = number + 1 == layout_.payload_chunks();
      TRY(aead.seal(chunk_nonce(number, last), chunk, chunk.data(),
                    tags_[layout_.index_chunks() + number]));
    }
    TRY(write_at(output_, bytes, layout_.payload_at() + run.begin));
    report(bytes.size());
    return {};
  }

  Status read_part(std::size_t entry, std::uint64_t from, std::span<unsigned char> out) {
    const SourceEntry& source = tree_.sources[entry];
    const UniqueFd file = TRY(open_source(source_, source));
    auto read = read_at(file.get(), out, from - tree_.entries[entry].offset);
    TRY(check_unchanged(file.get(), source));  // says more than that the file ended early
    return read;
  }

  void report(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    if (!options_.progress) return;
    options_.progress(
        {done_, layout_.payload_cipher, static_cast<double>(monotonic_ns() - begun_) / 1e9});
  }

  int source_;
  int output_;
  const SealOptions& options_;
  const SourceTree& tree_;
  Layout layout_;
  std::vector<Tag> tags_;
  std::int64_t begun_;
  std::mutex mutex_;
  std::uint64_t done_ = 0;
};

}  // namespace

Result<Sealed> seal(int source, const SealOptions& options, int output) {
  const std::int64_t begun = monotonic_ns();
  TRY(check_options(options));
  const SourceTree tree = TRY(walk_source(source));
  const auto index = encode_index(tree.entries);
  if (index.size() > kMaxIndex)
    return bad_input("dataset.entries", "names and facts of the files exceed 512 MiB");
  const Manifest manifest = TRY(make_manifest(options, tree, index));
  const SecretBytes text = TRY(manifest_to_json(manifest));
  const SecretBytes jws = TRY(sign_manifest(text, options.signing_key));
  const std::string header = TRY(encrypt_header(jws, manifest.file, options.recipients));
  const Layout layout = TRY(make_layout(header.size(), manifest.body_bytes, manifest.index_bytes,
                                        manifest.payload_bytes));
  const Sha256 aad = sha256(view(text));
  const SecretBytes index_key = TRY(hkdf(manifest.dek, manifest.salt, "casemate dataset v1 index"));
  const SecretBytes key = TRY(hkdf(manifest.dek, manifest.salt, "casemate dataset v1 payload"));
  const auto index_aead = TRY(make_aead(options.engine, index_key, aad));

  if (::ftruncate(output, static_cast<off_t>(layout.file_bytes)) != 0)
    return sys_error("set the size of the sealed file");
  Sealer sealer(source, output, options, tree, layout);
  TRY(sealer.index(*index_aead, index));
  TRY(sealer.payload(key, aad));
  TRY(sealer.finish(header));
  return Sealed{manifest.file,
                tree.files,
                tree.total_bytes,
                layout.file_bytes,
                static_cast<double>(monotonic_ns() - begun) / 1e9,
                std::string(index_aead->engine())};
}

}  // namespace casemate::dataset
