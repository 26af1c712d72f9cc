#include "shim/warden/holdings.h"

#include <fcntl.h>
#include <poll.h>

#include "shim/fs/host_file.h"

namespace casemate::warden {
namespace {

constexpr const char* kFile = "holds.json";
constexpr std::size_t kLimit = 1024 * 1024;

std::unexpected<Error> out_of_order(const std::string& what) {
  return bad_input("warden.message", what);
}

}  // namespace

bool pidfd_alive(int pidfd) {
  if (pidfd < 0) return false;
  pollfd end{.fd = pidfd, .events = POLLIN, .revents = 0};
  return ::poll(&end, 1, 0) == 0;
}

bool Holdings::init_alive() const {
  return pidfd_alive(init.get());
}

Status Holdings::take(Message message, std::vector<UniqueFd> fds) {
  if (message.op == Message::Op::open) return take_open(std::move(message.open), std::move(fds));
  if (!opened()) return out_of_order("nothing was opened yet");
  if (message.op == Message::Op::hold) return take_hold(message.hold, std::move(fds));
  if (message.op != Message::Op::facts) return out_of_order("not a thing to take over");
  merge_facts(message.facts);
  return {};
}

Status Holdings::take_open(Open open, std::vector<UniqueFd> fds) {
  if (opened() || fds.size() != 1) return out_of_order("one open, with the directory's descriptor");
  TRY(check_id(open.id));
  evidence = std::move(open.evidence);
  facts = std::move(open.facts);
  facts["container"] = open.id;
  facts["root"] = open.root;
  dir_ = ContainerDir::adopt(*kernel_, std::move(fds[0]), std::move(open.id));
  return {};
}

Status Holdings::take_hold(const Hold& hold, std::vector<UniqueFd> fds) {
  if (hold.what == "init") return take_init(hold, std::move(fds));
  if (hold.what == "cgroup") {
    auto object = TRY(JsonObject::of(hold.data));
    const auto intended = TRY(object.get_or<std::string>("intended", ""));
    const Json* saved = object.take("saved");
    if (saved == nullptr) return out_of_order("a cgroup without its description");
    cgroups.push_back(*saved);
    std::erase(intended_cgroups, intended);
    return object.done();
  }
  if (hold.what == "cgroup-intent") {
    auto object = TRY(JsonObject::of(hold.data));
    intended_cgroups.push_back(TRY(object.get<std::string>("path")));
    return object.done();
  }
  if (fds.size() != 1) return out_of_order("a mount to hold needs one descriptor");
  mounts.push_back({.what = hold.what, .mount = std::move(fds[0])});
  return {};
}

Status Holdings::take_init(const Hold& hold, std::vector<UniqueFd> fds) {
  if (init || fds.empty() || fds.size() > 2)
    return out_of_order("one init, with its pidfd and its start socket");
  auto object = TRY(JsonObject::of(hold.data));
  const auto pid = TRY(object.get<std::int64_t>("pid"));
  TRY(object.done());
  if (pid <= 0 || pid > INT32_MAX) return out_of_order("init's pid is out of range");
  init_pid = static_cast<pid_t>(pid);
  init = std::move(fds[0]);
  if (fds.size() == 2) start_socket = std::move(fds[1]);
  return {};
}

Status Holdings::save() {
  if (init_pid > 0 && init_start_time_ == 0) init_start_time_ = process_start_time(init_pid);
  Json groups = Json::array();
  for (const auto& each : cgroups) groups.push_back({{"saved", each}});
  Json names = Json::array();
  for (const auto& each : mounts) names.push_back(each.what);
  const Json value = {
      {"facts", facts},
      {"evidence",
       {{"audit", evidence.audit}, {"receipts", evidence.receipts}, {"keys", evidence.keys}}},
      {"mounts", names},
      {"cgroups", groups},
      {"intendedCgroups", intended_cgroups},
      {"initPid", init_pid},
      {"initStartTime", init_start_time_}};
  return fs::write_atomically_at(*kernel_, dir_.fd(), kFile, dump(value), 0600);
}

namespace {

// What the file says, and the number of init without its descriptor.
Result<std::uint64_t> read_holdings(std::string_view text, Holdings& holdings) {
  const Json value = TRY(parse_json(text));
  auto object = TRY(JsonObject::of(value));
  if (const auto facts = TRY(object.find_object("facts"))) holdings.facts = facts->raw();
  auto evidence = TRY(object.object("evidence"));
  holdings.evidence.audit = TRY(evidence.get<std::string>("audit"));
  holdings.evidence.receipts = TRY(evidence.get<std::string>("receipts"));
  holdings.evidence.keys = TRY(evidence.get<std::string>("keys"));
  for (JsonObject& each : TRY(object.objects("cgroups")))
    holdings.cgroups.push_back(TRY(each.object("saved")).raw());
  holdings.intended_cgroups = TRY(object.get<std::vector<std::string>>("intendedCgroups"));
  holdings.lost_mounts = TRY(object.get<std::vector<std::string>>("mounts"));
  const auto pid = TRY(object.get<std::uint64_t>("initPid"));
  if (pid > INT32_MAX)
    return bad_input("state.pid", "a process id out of range", {}, object.pointer_to("initPid"));
  holdings.init_pid = static_cast<pid_t>(pid);
  return object.get<std::uint64_t>("initStartTime");
}

}  // namespace

Result<Holdings> load_holdings(sys::Kernel& kernel, int container_dir, std::string_view id) {
  const auto text = TRY(fs::read_trusted_file_at(kernel, container_dir, kFile, kLimit));
  Holdings holdings(kernel);
  auto start_time = read_holdings(text, holdings);
  if (!start_time) return std::unexpected(std::move(start_time.error()).with_context(kFile));
  // A descriptor of its own: the caller's stays the caller's.
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  holdings.dir_ =
      ContainerDir::adopt(kernel, TRY(kernel.openat2(container_dir, ".", how)), std::string(id));
  const pid_t pid = std::exchange(holdings.init_pid, 0);
  if (process_alive(pid, *start_time)) {
    holdings.init = TRY(kernel.pidfd_open(pid));
    // Between the look and the open the pid may have gone to another process.
    if (!process_alive(pid, *start_time)) holdings.init.reset();
    holdings.init_pid = pid;
  }
  holdings.facts["container"] = id;
  return holdings;
}

}  // namespace casemate::warden
