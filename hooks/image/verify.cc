#include "hooks/image/verify.h"

#include "hooks/image/cosign.h"
#include "hooks/image/jws.h"
#include "hooks/image/layers.h"
#include "hooks/image/oci_layout.h"
#include "hooks/image/parallel.h"
#include "policy/host_config.h"
#include "policy/job_request.h"
#include "shim/base/clock.h"

namespace casemate::image {
namespace {

constexpr unsigned kThreads = 2;
constexpr std::int64_t kSecond = 1'000'000'000;

using Strings = std::vector<std::string>;

Result<NamedKey> read_key(JsonObject& from) {
  const auto name = TRY(from.get<std::string>("name"));
  auto key = PublicKey::from_pem(TRY(from.get<std::string>("key_pem")));
  if (!key) return std::unexpected(std::move(key.error()).with_context("key of \"" + name + "\""));
  return NamedKey{.name = name, .key = std::move(*key)};
}

struct Found {
  OciLayout layout;
  Descriptor manifest;
};

// The first of the layouts that has the manifest.
Result<Found> find_image(std::span<const int> layouts, const std::string& digest) {
  Error last = denied("image.not-found", "no layout was given to look for " + digest,
                      "configure paths.layouts in casemate.json")
                   .error();
  for (const int directory : layouts) {
    auto layout = OciLayout::open(directory);
    if (!layout) return std::unexpected(std::move(layout.error()));
    auto manifest = layout->find_manifest(digest);
    if (manifest) return Found{std::move(*layout), std::move(*manifest)};
    last = std::move(manifest.error());
    if (last.rule != "image.not-found") break;
  }
  return std::unexpected(std::move(last));
}

struct Checked {
  std::uint64_t bytes = 0, files = 0;
};

std::uint64_t stored_bytes(const std::vector<Descriptor>& layers) {
  std::uint64_t total = 0;
  for (const auto& layer : layers) total += layer.size;
  return total;
}

// Even tasks hash a stored blob, odd ones read the same layer's tar: a changed blob is reported as
// such before what the tar reader makes of it.
Result<Tree> read_tree(const OciLayout& layout, const std::vector<Descriptor>& layers,
                       const std::vector<std::string>& diff_ids, LayerBudget& budget) {
  std::vector<std::vector<Change>> changes(layers.size());
  std::vector<Status> read(layers.size());
  TRY(run_parallel(2 * layers.size(), kThreads, [&](std::size_t task) -> Status {
    const std::size_t i = task / 2;
    if (task % 2 == 0) return layout.check_blob(layers[i]);
    auto layer = read_layer(layout.directory(), layers[i], diff_ids[i], budget);
    if (layer)
      changes[i] = std::move(*layer);
    else
      read[i] = std::unexpected(std::move(layer.error()));
    return {};
  }));
  Tree tree;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!read[i]) return std::unexpected(std::move(read[i].error()));
    TRY(tree.apply(std::move(changes[i])));
  }
  return tree;
}

Result<Checked> check_layers(const ImageQuestion& question, const OciLayout& layout,
                             const std::vector<Descriptor>& layers, const ImageConfig& config,
                             int rootfs) {
  if (question.level == Level::chain) {
    TRY(run_parallel(layers.size(), kThreads,
                     [&](std::size_t i) { return layout.check_blob(layers[i]); }));
    return Checked{.bytes = stored_bytes(layers)};
  }
  LayerBudget budget({});
  const Tree tree = TRY(read_tree(layout, layers, config.diff_ids, budget));
  const auto compared = TRY(compare_rootfs(rootfs, tree, question.extras, kThreads));
  return Checked{.bytes = stored_bytes(layers) + budget.bytes() + compared.bytes,
                 .files = compared.files};
}

Json to_json(const ImageConfig& config) {
  return {{"entrypoint", config.entrypoint},
          {"cmd", config.cmd},
          {"env", config.env},
          {"workingDir", config.working_dir},
          {"user", config.user},
          {"architecture", config.architecture},
          {"os", config.os}};
}

Result<Json> answer_image(JsonObject& request, std::span<const int> fds) {
  ImageQuestion question;
  question.digest = TRY(request.get<std::string>("digest"));
  question.repository = TRY(request.get_or<std::string>("repository", {}));
  const auto level = TRY(request.get<std::string>("level"));
  if (level != "chain" && level != "content")
    return bad_input("verify.request", "unknown level \"" + level + "\"", {}, "/level");
  question.level = level == "chain" ? Level::chain : Level::content;
  for (auto& signer : TRY(request.objects("signers"))) {
    question.signers.push_back(TRY(read_key(signer)));
    TRY(signer.done());
  }
  question.extras.engine_files = TRY(request.get_or<Strings>("engineFiles", {}));
  question.extras.mount_points = TRY(request.get_or<Strings>("mountPoints", {}));
  TRY(request.done());
  const bool needs_rootfs = question.level == Level::content;
  if (fds.size() < (needs_rootfs ? 2U : 1U))
    return bad_input("verify.request", "too few descriptors came with the request");
  if (!needs_rootfs) return verify_image(question, fds, -1);
  return verify_image(question, fds.first(fds.size() - 1), fds.back());
}

Result<Json> answer_job(JsonObject& request) {
  policy::HostConfig host;
  std::vector<NamedKey> keys;
  for (auto& from : TRY(request.objects("schedulers"))) {
    keys.push_back(TRY(read_key(from)));
    host.schedulers.push_back({.name = keys.back().name,
                               .key = {},
                               .tenants = TRY(from.get<Strings>("tenants")),
                               .profiles = TRY(from.get<Strings>("profiles")),
                               .images = TRY(from.get<Strings>("images"))});
    TRY(from.done());
  }
  const auto text = TRY(request.get<std::string>("jws"));
  const auto now = TRY(request.get<std::int64_t>("now"));
  TRY(request.done());
  const auto jws = TRY(verify_jws(text, kJobType, keys));
  const auto job = TRY(policy::parse_job_request(jws.payload));
  TRY(policy::check_times(job, now));
  TRY(policy::scheduler_may(host, jws.kid, job));
  return Json{{"job", policy::to_json(job)}, {"scheduler", jws.kid}};
}

}  // namespace

Result<Json> verify_image(const ImageQuestion& question, std::span<const int> layouts, int rootfs) {
  const std::int64_t start = monotonic_ns();
  if (!is_sha256_digest(question.digest))
    return bad_input("image.digest-algorithm",
                     "\"" + question.digest + "\" is not a SHA-256 digest",
                     "give it as sha256:<64 hex digits>", "/digest");
  const auto image = TRY(find_image(layouts, question.digest));
  const auto signer =
      TRY(verify_cosign(image.layout, question.digest, question.repository, question.signers));
  const auto manifest_text = TRY(image.layout.read_blob(image.manifest));
  const auto manifest = TRY(parse_manifest(manifest_text));
  const auto config_text = TRY(image.layout.read_blob(manifest.config));
  const auto config = TRY(parse_config(config_text));
  if (config.diff_ids.size() != manifest.layers.size())
    return bad_input("image.config", "the config lists another number of layers than the manifest");
  for (const auto& layer : manifest.layers) TRY(layer_compression(layer));
  const auto checked = TRY(check_layers(question, image.layout, manifest.layers, config, rootfs));
  const auto elapsed = static_cast<double>(monotonic_ns() - start) / static_cast<double>(kSecond);
  return Json{{"digest", question.digest}, {"signer", signer},
              {"config", to_json(config)}, {"layers", manifest.layers.size()},
              {"bytes", checked.bytes},    {"files", checked.files},
              {"seconds", elapsed}};
}

Result<Json> answer(const Json& request, std::span<const int> fds) {
  auto object = TRY(JsonObject::of(request));
  const auto op = TRY(object.get<std::string>("op"));
  if (op == "image") return answer_image(object, fds);
  if (op == "job") return answer_job(object);
  return bad_input("verify.request", "unknown op \"" + op + "\"", {}, "/op");
}

}  // namespace casemate::image
