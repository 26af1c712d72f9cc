#include "shim/ctl/dataset_commands.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "hooks/dataset/extract.h"
#include "hooks/dataset/locked_arena.h"
#include "hooks/dataset/seal.h"
#include "shim/ctl/dataset_files.h"

namespace casemate::ctl {
namespace {

using namespace dataset;

std::string with_unit(double bytes) {
  char text[48];
  if (bytes < 1 << 20)
    std::snprintf(text, sizeof text, "%.1f KiB", bytes / 1024);
  else if (bytes < 1 << 30)
    std::snprintf(text, sizeof text, "%.1f MiB", bytes / (1 << 20));
  else
    std::snprintf(text, sizeof text, "%.2f GiB", bytes / (1 << 30));
  return text;
}

std::string speed(double bytes, double seconds) {
  char text[48];
  std::snprintf(text, sizeof text, "%.2f s, %.2f GiB/s", seconds,
                seconds > 0 ? bytes / (1 << 30) / seconds : 0.0);
  return text;
}

// At most ten lines a second, and the last one.
std::function<void(const Progress&)> progress_line() {
  return [last = -1.0](const Progress& p) mutable {
    const bool complete = p.done >= p.total;
    if (!complete && p.seconds - last < 0.1) return;
    last = p.seconds;
    const double share =
        p.total == 0 ? 1 : static_cast<double>(p.done) / static_cast<double>(p.total);
    const double left = share > 0 ? p.seconds / share - p.seconds : 0;
    std::fprintf(stderr, "\rsealing %3.0f %%  %s of %s  %s  %.0f s left ", share * 100,
                 with_unit(static_cast<double>(p.done)).c_str(),
                 with_unit(static_cast<double>(p.total)).c_str(),
                 speed(static_cast<double>(p.done), p.seconds).c_str(), left);
    if (complete) std::fputc('\n', stderr);
  };
}

Result<std::vector<Recipient>> read_recipients(const std::vector<std::string>& paths) {
  std::vector<Recipient> out;
  for (const auto& path : paths) {
    const std::string text = TRY(read_small_file(path));
    auto key = parse_exchange_key(as_bytes(text), /*need_private=*/false);
    if (!key) return std::unexpected(std::move(key.error()).with_context(path));
    const std::string kid = jwk_kid(key->get());
    if (kid.empty())
      return bad_input(
          "dataset.recipient", path + " has no usable \"kid\"",
          "give it the kid under which the host lists the key, such as file:host-2026");
    out.push_back({kid, std::move(*key)});
  }
  return out;
}

Result<std::vector<HostKey>> read_host_keys(const std::vector<std::string>& paths) {
  std::vector<HostKey> out;
  for (const auto& path : paths) {
    const SecretBytes text = TRY(read_secret_file(path, /*exclusive=*/true));
    auto key = parse_exchange_key({text.data(), text.size()}, /*need_private=*/true);
    if (!key) return std::unexpected(std::move(key.error()).with_context(path));
    out.push_back({jwk_kid(key->get()), std::move(*key)});
  }
  return out;
}

std::string list(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + printable(name);
  return out.empty() ? "any" : out;
}

void show(const Unlocked& unlocked, const Extracted& done, std::ostream& out) {
  const Manifest& m = unlocked.manifest;
  out << "dataset      " << m.dataset << ", serial " << m.serial << ", of tenant " << m.tenant
      << "\n"
      << "criticality  " << to_string(m.criticality) << "\n"
      << "signed by    " << printable(unlocked.signer) << ", " << m.created << "\n"
      << "key slot     " << unlocked.slot << "\n"
      << "profiles     " << list(m.conditions.profiles) << "\n"
      << "signers      " << list(m.conditions.image_signers) << "\n"
      << "content      " << done.files << " files, " << done.bytes << " bytes, all authentic\n"
      << "time         " << speed(static_cast<double>(done.bytes), done.seconds) << " ("
      << done.engine << ")\n";
}

Status write_new(const std::string& path, const SecretBytes& text, mode_t mode) {
  NewFile file = TRY(NewFile::create(path, mode, /*replace=*/false));
  TRY(file.write(as_text({text.data(), text.size()})));
  return file.commit();
}

}  // namespace

Status dataset_keygen(const DatasetKeygen& args, std::ostream& out) {
  TRY(use_locked_json());
  const std::string name = args.prefix.substr(args.prefix.rfind('/') + 1);
  const std::string kid = args.kid.empty() ? "file:" + name : args.kid;
  if (!is_kid(kid) || name.empty())
    return bad_input("dataset.recipient", "not a key label: \"" + kid + "\"");
  const JsonPtr key = TRY(generate_exchange_key(kid));
  const SecretBytes secret = TRY(jwk_to_json(key.get(), /*with_private=*/true));
  const SecretBytes open = TRY(jwk_to_json(key.get(), /*with_private=*/false));
  TRY(write_new(args.prefix + ".jwk", secret, 0600));
  TRY(write_new(args.prefix + ".pub.jwk", open, 0644));
  out << args.prefix << ".jwk      private, for the host's configuration as " << kid << "\n"
      << args.prefix << ".pub.jwk  public, for casectl dataset seal --recipient\n";
  return {};
}

Status dataset_seal(const DatasetSeal& args, std::ostream& out) {
  TRY(use_locked_json());
  const UniqueFd source = TRY(open_to_read(args.source));
  const SecretBytes pem = TRY(read_secret_file(args.signing_key, /*exclusive=*/false));
  const JsonPtr signing_key = TRY(private_key_from_pem(pem));
  const auto recipients = TRY(read_recipients(args.recipients));
  SealOptions options{.tenant = args.tenant, .dataset = args.id, .serial = args.serial};
  options.criticality = TRY(parse_criticality(args.criticality));
  options.conditions = {args.allow_profiles, args.allow_signers};
  options.recipients = recipients;
  options.signing_key = signing_key.get();
  if (args.progress && ::isatty(STDERR_FILENO) == 1) options.progress = progress_line();

  NewFile file = TRY(NewFile::create(args.output, 0644, /*replace=*/true));
  const Sealed sealed = TRY(seal(source.get(), options, file.fd()));
  TRY(file.commit());
  out << args.output << ": " << sealed.files << " files, "
      << with_unit(static_cast<double>(sealed.total_bytes)) << " sealed for " << recipients.size()
      << (recipients.size() == 1 ? " key slot, " : " key slots, ")
      << speed(static_cast<double>(sealed.total_bytes), sealed.seconds) << " (" << sealed.engine
      << ")\n";
  return {};
}

Status dataset_inspect(const std::string& file, std::ostream& out) {
  const UniqueFd fd = TRY(open_to_read(file));
  const SealedFile sealed = TRY(SealedFile::open(fd.get()));
  out << "format       casemate sealed dataset, version 1\n"
      << "file id      " << to_base64url(sealed.header().file) << "\n"
      << "size         " << sealed.file_bytes() << " bytes, of them " << sealed.body_bytes()
      << " encrypted content and padding\n";
  for (const auto& slot : sealed.header().slots)
    out << "key slot     " << slot << " (" << kSlotAlgorithm << ")\n";
  out << "Nothing here is authenticated before a key slot is opened.\n";
  return {};
}

Status dataset_verify(const DatasetVerify& args, std::ostream& out) {
  TRY(use_locked_json());
  const UniqueFd fd = TRY(open_to_read(args.file));
  const auto host_keys = TRY(read_host_keys(args.keys));
  std::vector<TenantKey> tenant_keys;
  for (const auto& path : args.tenant_keys) {
    std::string pem = TRY(read_small_file(path));
    tenant_keys.push_back({path, std::move(pem)});
  }
  const SealedFile sealed = TRY(SealedFile::open(fd.get()));
  const Unlocked unlocked = TRY(unlock(sealed, host_keys, tenant_keys));
  const auto tags = TRY(read_tags(sealed, unlocked.layout));
  const Index index = TRY(read_index(sealed, unlocked, tags, Engine::automatic));
  const Extracted done = TRY(authenticate(sealed, unlocked, index, tags, {}));
  show(unlocked, done, out);
  return {};
}

}  // namespace casemate::ctl
