#include "hooks/dataset/request.h"

#include "hooks/dataset/format.h"

namespace casemate::dataset {
namespace {

std::unexpected<Error> refused(std::string what, std::string pointer) {
  return bad_input("dataset.request", std::move(what), {}, std::move(pointer));
}

Result<Engine> parse_engine(std::string_view name) {
  if (name == "automatic") return Engine::automatic;
  if (name == "openssl") return Engine::openssl;
  if (name == "ipsec-mb") return Engine::ipsec_mb;
  return refused("no such cipher engine: " + std::string(name), "/cipher");
}

Status read_keys(JsonObject& request, UnsealRequest& out) {
  for (auto& key : TRY(request.objects("keys"))) {
    out.kids.push_back(TRY(key.get<std::string>("kid")));
    if (!is_kid(out.kids.back())) return refused("not a key label", key.pointer_to("kid"));
    TRY(key.done());
  }
  for (auto& key : TRY(request.objects("tenantKeys"))) {
    auto name = TRY(key.get<std::string>("name"));
    out.tenant_keys.push_back({std::move(name), TRY(key.get<std::string>("pem"))});
    TRY(key.done());
  }
  return {};
}

Result<std::uint32_t> bounded(JsonObject& object, std::string_view key, std::uint32_t fallback,
                              std::uint64_t most) {
  const auto value = TRY(object.get_or<std::uint64_t>(key, fallback));
  if (value > most) return refused("number out of range", object.pointer_to(key));
  return static_cast<std::uint32_t>(value);
}

Status read_mount(JsonObject& request, UnsealRequest& out) {
  auto mount = TRY(request.find_object("mount"));
  if (!mount) return {};
  // The largest 32-bit id means "no change" to the kernel.
  out.uid = TRY(bounded(*mount, "uid", 0, UINT32_MAX - 1));
  out.gid = TRY(bounded(*mount, "gid", 0, UINT32_MAX - 1));
  out.mode = TRY(bounded(*mount, "mode", 0755, 0777));
  out.label = TRY(mount->get_or<std::string>("label", ""));
  return mount->done();
}

}  // namespace

Result<UnsealRequest> parse_unseal_request(const Json& body) {
  auto request = TRY(JsonObject::of(body));
  UnsealRequest out;
  out.expected.tenant = TRY(request.get<std::string>("tenant"));
  out.expected.dataset = TRY(request.get<std::string>("dataset"));
  out.expected.profile = TRY(request.get<std::string>("profile"));
  out.expected.image_signer = TRY(request.get_or<std::string>("imageSigner", ""));
  out.expected.max_bytes = TRY(request.get<std::uint64_t>("maxBytes"));
  out.expected.max_criticality =
      TRY(parse_criticality(TRY(request.get<std::string>("maxCriticality"))));
  out.expected.min_serial = TRY(request.get_or<std::uint64_t>("minSerial", 0));
  if (out.expected.max_bytes > kMaxBody) return refused("number out of range", "/maxBytes");
  TRY(read_keys(request, out));
  TRY(read_mount(request, out));
  const auto engine = TRY(request.get_or<std::string>("cipher", "automatic"));
  out.engine = TRY(parse_engine(engine));
  out.threads = TRY(bounded(request, "threads", 0, 1024));
  TRY(request.done());
  return out;
}

}  // namespace casemate::dataset
