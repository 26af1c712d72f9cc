// Rules about the environment, and about where args, env, cwd and user come from.
#include <algorithm>
#include <map>

#include "policy/match.h"
#include "policy/rules.h"

namespace casemate::policy {
namespace {

// What Docker, containerd and podman set when the image has none.
constexpr std::string_view kEnginePaths[] = {
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"};

std::string_view name_of(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

std::string_view value_of(std::string_view entry) {
  const std::size_t equals = entry.find('=');
  return equals == std::string_view::npos ? std::string_view() : entry.substr(equals + 1);
}

using Environment = std::map<std::string, std::string, std::less<>>;

// The last entry of a name counts, as for the kernel's and libc's readers of engine lists.
void add_to(Environment& out, const std::vector<std::string>& env) {
  for (const auto& entry : env)
    out.insert_or_assign(std::string(name_of(entry)), std::string(value_of(entry)));
}

bool engine_value(std::string_view value) {
  return value.size() <= 128 && std::ranges::all_of(value, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_' || c == '/';
         });
}

bool set_by_engine(const Judgement& j, std::string_view name, std::string_view value) {
  if (name == "PATH") return std::ranges::find(kEnginePaths, value) != std::end(kEnginePaths);
  return contains(j.profile.env.engine, name) && engine_value(value);
}

std::string command(const std::vector<std::string>& args) {
  std::string out;
  for (const auto& arg : args) out += (out.empty() ? "" : " ") + arg;
  return "\"" + out + "\"";
}

struct Origin {
  std::optional<std::vector<std::string>> args;
  std::string cwd = "/";
  Environment env;
};

Origin origin_of(const JobContext& context) {
  Origin out;
  if (context.image) {
    const ImageConfig& image = *context.image;
    std::vector<std::string> args = image.entrypoint;
    args.insert(args.end(), image.cmd.begin(), image.cmd.end());
    if (!args.empty()) out.args = std::move(args);
    if (!image.working_dir.empty()) out.cwd = oci::normalise_path(image.working_dir);
    add_to(out.env, image.env);
  }
  if (!context.job || !context.job->process) return out;
  const JobProcess& job = *context.job->process;
  if (job.args) out.args = job.args;
  if (job.cwd) out.cwd = oci::normalise_path(*job.cwd);
  add_to(out.env, job.env);
  return out;
}

void judge_command(Judgement& j, const Origin& origin) {
  const auto& process = *j.spec.process;
  if (!origin.args || process.args != *origin.args)
    j.deny("process.args", "/process/args", command(process.args),
           origin.args ? command(*origin.args) : "the program of a verified image or signed job",
           "start the image's own program, or sign a job that names this one");
  if (oci::normalise_path(process.cwd) != origin.cwd)
    j.deny("process.cwd", "/process/cwd", process.cwd, origin.cwd,
           "use the image's working directory, or sign a job that names this one");
}

void judge_env_origin(Judgement& j, const Origin& origin) {
  auto& env = j.spec.process->env;
  Environment asked;
  add_to(asked, env);
  // Each entry on its own: an earlier duplicate must not hide behind a harmless later one.
  for (std::size_t i = 0; i < env.size(); ++i) {
    const auto name = name_of(env[i]);
    const auto known = origin.env.find(name);
    const bool same = known != origin.env.end() && known->second == value_of(env[i]);
    const bool engine = known == origin.env.end() && set_by_engine(j, name, value_of(env[i]));
    if (same || engine || name_matches_any(j.profile.env.dropped, name)) continue;
    j.deny("process.env", "/process/env/" + std::to_string(i), "variable " + std::string(name),
           "variables of the image or of the signed job",
           "set it in the image, or sign a job that sets it");
  }
  std::vector<std::string> missing;
  for (const auto& [name, value] : origin.env) {
    if (asked.contains(name) || name_matches_any(j.profile.env.dropped, name)) continue;
    env.push_back(name + "=" + value);
    missing.push_back(name);
  }
  if (!missing.empty())
    j.tighten("process.env-missing", "/process/env", "without " + joined(missing),
              "with all variables of the image and the job", "");
}

struct NumericUser {
  std::optional<std::uint32_t> uid, gid;
  bool grouped = false;  // a group was named, whether it is known or not
};

std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint64_t out = 0;
  if (text.empty() || text.size() > 10) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    out = out * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (out > INT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(out);
}

NumericUser image_user(const ImageConfig& image) {
  const std::size_t colon = image.user.find(':');
  NumericUser out;
  out.grouped = colon != std::string::npos;
  out.uid = image.uid ? image.uid : parse_id(image.user.substr(0, colon));
  if (image.gid)
    out.gid = image.gid;
  else if (colon != std::string::npos)
    out.gid = parse_id(image.user.substr(colon + 1));
  return out;
}

// What the job or the image says of the user; nothing when neither does.
std::optional<NumericUser> named_user(const JobContext& context) {
  if (context.job && context.job->process && context.job->process->user) {
    const JobUser& user = *context.job->process->user;
    return NumericUser{user.uid, user.gid, user.gid.has_value()};
  }
  if (context.image && !context.image->user.empty()) return image_user(*context.image);
  return std::nullopt;
}

// A user of the caller's choice could be himself, who may then look into the job's processes.
void judge_user_origin(Judgement& j) {
  const auto named = named_user(j.context);
  const auto& user = j.spec.process->user;
  const std::string asked = std::to_string(user.uid) + ":" + std::to_string(user.gid);
  if (!named)
    return j.deny("process.user", "/process/user", asked, "the user of the image or the signed job",
                  "name a user in the image, or sign a job that names one");
  const bool same = named->uid == user.uid && (!named->grouped || named->gid == user.gid) &&
                    (!named->gid || *named->gid == user.gid);
  if (same) return;
  j.deny("process.user", "/process/user", asked, "the user that the image or the job names",
         "run without --user");
}

}  // namespace

void judge_env(Judgement& j) {
  auto& env = j.spec.process->env;
  const std::string pointer = j.process_pointer + "/env";
  for (std::size_t i = 0; i < env.size(); ++i) {
    const std::string at = pointer + "/" + std::to_string(i);
    const std::string name(name_of(env[i]));
    if (has_control_characters(env[i]))
      j.deny("env.control-characters", at, "variable " + name + " with a control character",
             "printable values", "remove the character");
    if (name_matches_any(j.profile.env.denied, name))
      j.deny("env.denied", at, "variable " + name, "none of " + joined(j.profile.env.denied),
             "remove the variable");
  }
  std::vector<std::string> dropped;
  std::erase_if(env, [&](const std::string& entry) {
    const std::string name(name_of(entry));
    if (!name_matches_any(j.profile.env.dropped, name)) return false;
    if (!contains(dropped, name)) dropped.push_back(name);
    return true;
  });
  if (!dropped.empty())
    j.tighten("env.dropped", pointer, joined(dropped), "none of " + joined(j.profile.env.dropped),
              "GPUs are asked for in the job, never by variables");
}

void judge_origin(Judgement& j) {
  if (j.profile.process.args_from == ArgsFrom::any || !j.spec.process) return;
  const Origin origin = origin_of(j.context);
  judge_command(j, origin);
  judge_env_origin(j, origin);
  judge_user_origin(j);
}

}  // namespace casemate::policy
