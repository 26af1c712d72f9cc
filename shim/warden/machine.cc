#include "shim/warden/machine.h"

#include <array>

namespace casemate::warden {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"NEW",     "VERIFIED", "STAGED", "CREATED",
                                                    "RUNNING", "STOPPED",  "WIPED",  "DELETED"};

int rank(State state) {
  return static_cast<int>(state);
}

}  // namespace

std::string_view to_string(State state) {
  return kNames[static_cast<std::size_t>(state)];
}

std::optional<State> state_from_string(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<State>(i);
  return std::nullopt;
}

bool may_follow(State from, State to) {
  if (rank(to) == rank(from) + 1) return true;
  return to == State::stopped && rank(from) < rank(State::stopped);
}

bool reached(State state, State target) {
  return rank(state) >= rank(target);
}

std::string_view oci_status(State state, bool init_alive) {
  if (reached(state, State::stopped)) return "stopped";
  if (!reached(state, State::created)) return "creating";
  if (!init_alive) return "stopped";
  return state == State::created ? "created" : "running";
}

}  // namespace casemate::warden
