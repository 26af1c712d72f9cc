#include "tests/fault/fixture.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>

#include "shim/sys/real_kernel.h"

namespace casemate {
namespace {

namespace files = std::filesystem;

constexpr unsigned kPatienceSeconds = 60;

}  // namespace

void write_file(const files::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

std::string file_of(const files::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Faults::make_home(const char* config_json, const char* program) {
  char name[] = "/tmp/casemate-fault-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  home_ = name;
  for (const char* folder : {"bundle/rootfs/bin", "bundle/rootfs/work", "bundle/shared"})
    files::create_directories(home_ / folder);
  files::copy_file("/bin/busybox", home_ / "bundle/rootfs/bin" / program);
  write_file(home_ / "bundle/config.json", config_json);
  write_file(home_ / "casemate.json",
             R"({"version":1,"paths":{"profiles":[")" CASEMATE_SOURCE_DIR
             R"(/profiles"],"state":")" +
                 (home_ / "state").string() + R"(","data":")" + (home_ / "data").string() +
                 R"("},"rules":[{"job":false,"profile":"baseline"},{"deny":true}]})");
  // Whoever is left behind becomes a child of this process and is found.
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  void* shared =
      ::mmap(nullptr, sizeof(Calls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  calls_ = static_cast<Calls*>(shared);
}

void Faults::TearDown() {
  files::remove_all(home_);
  ::munmap(calls_, sizeof(Calls));
}

Result<run::Runtime> Faults::runtime(sys::Kernel& kernel) const {
  run::Settings settings;
  settings.config = home_ / "casemate.json";
  settings.root = home_ / "root";
  settings.programs = CASEMATE_BINARY_DIR "/bin";
  settings.init_deadline = std::chrono::milliseconds(1000);
  settings.warden_deadline = std::chrono::milliseconds(1000);
  return run::make_runtime(kernel, settings);
}

// In a process of its own (a fault must not reach the next one), which is killed when it waits for
// something that never comes. True: the command succeeded.
bool Faults::attempt(FaultyKernelOfTwo::Fault fault) const {
  files::remove(home_ / "pid");
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kPatienceSeconds);
    sys::RealKernel real;
    FaultyKernelOfTwo kernel(real, *calls_, fault);
    const Status done = command(kernel);
    if (!done) write_file(home_ / "error", done.error().message());
    ::_exit(done ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << "the command was killed";
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void Faults::try_without_fault() const {
  ASSERT_TRUE(attempt({})) << file_of(home_ / "error");
  ASSERT_EQ(second_look(), "");
  end_made();
  ASSERT_EQ(residue(), "");
}

void Faults::for_each_call_of(Who who, sys::InterceptingKernel::Verdict verdict,
                              std::size_t fewest) const {
  // The first one makes folders, keys and caches.
  for (int warm = 0; warm < 2; ++warm) ASSERT_NO_FATAL_FAILURE(try_without_fault());
  const auto calls = std::make_unique<Calls>(*calls_);
  ASSERT_GT(calls->of[who].made, fewest);
  ASSERT_LT(calls->of[who].made, Calls::kMost);
  for (std::size_t n = 1; n <= calls->of[who].made; ++n) {
    SCOPED_TRACE(calls->of[who].names[n]);
    if (attempt({who, n, verdict})) {
      EXPECT_EQ(second_look(), "") << "the fault was ignored";
      end_made();
    }
    ASSERT_EQ(residue(), "") << file_of(home_ / "error");
  }
}

void Faults::for_each_call(sys::InterceptingKernel::Verdict verdict, std::size_t fewest) const {
  for (const Who who : {parent, init}) for_each_call_of(who, verdict, fewest);
}

}  // namespace casemate
