#include "hooks/dataset/aead_ipsec_mb.h"

#ifdef CASEMATE_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <sodium.h>
#include <string.h>

#include <vector>

namespace casemate::dataset {
namespace {

struct ManagerFree {
  void operator()(IMB_MGR* manager) const { ::free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, ManagerFree>;

class IpsecMbAead final : public Aead {
 public:
  IpsecMbAead(Manager manager, SecretBytes schedule, std::span<const unsigned char> aad)
      : manager_(std::move(manager)),
        schedule_(std::move(schedule)),
        aad_(aad.begin(), aad.end()) {}
  ~IpsecMbAead() override { ::explicit_bzero(&context_, sizeof context_); }

  Status seal(const Nonce& nonce, std::span<const unsigned char> in, unsigned char* out,
              Tag& tag) override {
    IMB_AES256_GCM_ENC(manager_.get(), schedule(), &context_, out, in.data(), in.size(),
                       nonce.data(), aad_.data(), aad_.size(), tag.data(), tag.size());
    return {};
  }

  Status open(const Nonce& nonce, std::span<const unsigned char> in, unsigned char* out,
              const Tag& tag) override {
    Tag computed;
    IMB_AES256_GCM_DEC(manager_.get(), schedule(), &context_, out, in.data(), in.size(),
                       nonce.data(), aad_.data(), aad_.size(), computed.data(), computed.size());
    if (::sodium_memcmp(computed.data(), tag.data(), tag.size()) == 0) return {};
    ::explicit_bzero(out, in.size());
    return bad_input("dataset.tampered", "a chunk does not match its authentication tag",
                     "the file was altered or damaged: fetch it again");
  }

  std::string_view engine() const override { return "ipsec-mb"; }

 private:
  const gcm_key_data* schedule() const {
    return reinterpret_cast<const gcm_key_data*>(schedule_.data());
  }
  Manager manager_;
  SecretBytes schedule_;  // gcm_key_data; page-aligned, hence 64-byte aligned as the library wants
  std::vector<unsigned char> aad_;
  alignas(64) gcm_context_data context_{};
};

}  // namespace

bool cpu_suits_ipsec_mb() {
  static const bool suits = [] {
    const Manager manager(::alloc_mb_mgr(0));
    constexpr std::uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_AVX2;
    return manager != nullptr && (manager->features & kNeeded) == kNeeded;
  }();
  return suits;
}

Result<std::unique_ptr<Aead>> make_ipsec_mb_aead(const SecretBytes& key,
                                                 std::span<const unsigned char> aad) {
  Manager manager(::alloc_mb_mgr(0));
  if (manager == nullptr) return internal("dataset.engine", "libipsec-mb: out of memory");
  ::init_mb_mgr_auto(manager.get(), nullptr);
  auto schedule = TRY(SecretBytes::allocate(sizeof(gcm_key_data)));
  IMB_AES256_GCM_PRE(manager.get(), key.data(), reinterpret_cast<gcm_key_data*>(schedule.data()));
  return std::make_unique<IpsecMbAead>(std::move(manager), std::move(schedule), aad);
}

}  // namespace casemate::dataset

#endif  // CASEMATE_HAVE_IPSEC_MB
