#include "shim/warden/reconcile.h"

#include <fcntl.h>
#include <poll.h>

#include "shim/base/clock.h"
#include "shim/warden/clean_up.h"
#include "shim/warden/journal.h"

namespace casemate::warden {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{5};

milliseconds left(std::int64_t until) {
  return milliseconds(std::max<std::int64_t>((until - monotonic_ns()) / 1'000'000, 0));
}

// The warden is gone: its twin may be at work. The life lock tells when it has ended.
Status await_release(ContainerDir& dir, std::int64_t until) {
  while (TRY(dir.alive())) {
    if (left(until).count() == 0)
      return internal("warden.timeout", "the container is not wiped yet", "try again");
    (void)::poll(nullptr, 0, static_cast<int>(kLook.count()));
  }
  return {};
}

// Nothing when there was no warden to ask.
Status ask_warden(sys::Kernel& kernel, ContainerDir& dir, std::int64_t until) {
  auto client = WardenClient::connect(kernel, dir.fd());
  if (!client) return std::unexpected(std::move(client.error()));
  TRY(client->wait(State::wiped, left(until)));
  // Its end follows at once; then no process of the container is left.
  (void)receive(kernel, client->socket(), left(until));
  return {};
}

}  // namespace

Status reconcile(sys::Kernel& kernel, ContainerDir& dir) {
  if (TRY(dir.alive()))
    return internal("warden.alive", "the container's warden is alive and at work");
  const auto journalled = journal_state(kernel, dir.fd());
  if (journalled && reached(*journalled, State::wiped)) return {};
  auto holdings = TRY(load_holdings(kernel, dir.fd(), dir.id()));
  return finish(kernel, holdings, {.warden = false, .twin = false});
}

Status await_wiped(sys::Kernel& kernel, ContainerDir& dir, milliseconds deadline) {
  const std::int64_t until = monotonic_ns() + deadline.count() * 1'000'000;
  const auto asked = ask_warden(kernel, dir, until);
  if (asked || asked.error().rule != "warden.gone") return asked;
  TRY(await_release(dir, until));
  // Rolled back meanwhile: wiped, and the directory is gone.
  if (TRY(kernel.fstatat(dir.fd(), "", AT_EMPTY_PATH)).st_nlink == 0) return {};
  return reconcile(kernel, dir);
}

}  // namespace casemate::warden
