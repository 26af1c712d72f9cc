#include "hooks/image/tree.h"

#include <algorithm>
#include <array>

namespace casemate::image {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's own limit
constexpr std::size_t kMaxPath = 4095;
constexpr std::size_t kMaxName = 255;

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto name = path.substr(0, slash);
    if (!name.empty() && name != ".") out.emplace_back(name);
    if (slash == path.npos) break;
    path.remove_prefix(slash + 1);
  }
  return out;
}

std::pair<std::string_view, std::string_view> split(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == path.npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::unexpected<Error> bad_layer(std::string_view path, const std::string& why) {
  return bad_input("image.layer", "layer entry /" + std::string(path) + " " + why,
                   "rebuild the image");
}

std::size_t count(const Node& node) {
  std::size_t total = node.children.size();
  for (const auto& [name, child] : node.children) total += count(*child);
  return total;
}

void visit_children(const Node& node, const std::string& prefix,
                    const std::function<void(const std::string&, const Entry&)>& visit) {
  for (const auto& [name, child] : node.children) {
    const std::string path = prefix + "/" + name;
    visit(path, child->entry);
    visit_children(*child, path, visit);
  }
}

// Walks a path of the image the way its own kernel would, links included, never above the root.
class Walk {
 public:
  Walk(Node& root, std::string_view path) : trail_{&root}, todo_(components(path)) {
    std::reverse(todo_.begin(), todo_.end());
  }

  // nullptr: something on the way is missing (only when !create).
  Result<Node*> run(std::string_view asked, bool create) {
    while (!todo_.empty()) {
      const std::string name = std::move(todo_.back());
      todo_.pop_back();
      if (name == "..") {
        if (trail_.size() > 1) trail_.pop_back();
        continue;
      }
      auto& children = trail_.back()->children;
      auto child = children.find(name);
      if (child == children.end() && !create) return nullptr;
      if (child == children.end()) child = children.emplace(name, implied_directory()).first;
      if (TRY(enter(*child->second, asked))) trail_.push_back(child->second.get());
    }
    return trail_.back();
  }

 private:
  static std::unique_ptr<Node> implied_directory() {
    auto node = std::make_unique<Node>();
    node->entry.implied = true;
    return node;
  }

  // False when the child was a link whose target is now to be walked instead.
  Result<bool> enter(const Node& child, std::string_view asked) {
    if (child.entry.type == FileType::directory) return true;
    if (child.entry.type != FileType::symlink)
      return bad_layer(asked, "lies below something that is not a directory");
    if (++links_ > kMaxLinks) return bad_layer(asked, "lies below a loop of symbolic links");
    if (child.entry.target.starts_with('/')) trail_.resize(1);
    auto names = components(child.entry.target);
    todo_.insert(todo_.end(), std::make_move_iterator(names.rbegin()),
                 std::make_move_iterator(names.rend()));
    return false;
  }

  std::vector<Node*> trail_;
  std::vector<std::string> todo_;  // next component last
  int links_ = 0;
};

}  // namespace

std::string_view to_string(FileType type) {
  static constexpr std::array<std::string_view, 6> kNames = {
      "regular file", "directory", "symbolic link", "character device", "block device", "FIFO"};
  return kNames[static_cast<std::size_t>(type)];
}

const Node* Tree::find(std::string_view path) const {
  const Node* at = &root_;
  for (const auto& name : components(path)) {
    const auto child = at->children.find(name);
    if (child == at->children.end()) return nullptr;
    at = child->second.get();
  }
  return at;
}

std::size_t Tree::size() const {
  return count(root_);
}

Status Tree::apply(std::vector<Change> layer) {
  for (const auto& change : layer)
    if (change.kind == Change::whiteout || change.kind == Change::opaque) TRY(hide(change));
  for (auto& change : layer) {
    if (change.kind == Change::link)
      TRY(link(change));
    else if (change.kind == Change::add)
      TRY(add(std::move(change)));
  }
  return {};
}

Result<Node*> Tree::parent_of(std::string_view path, bool create) {
  const auto parent = split(path).first;
  return Walk(root_, parent).run(path, create);
}

Status Tree::hide(const Change& change) {
  if (change.kind == Change::opaque) {
    Node* directory = TRY(Walk(root_, change.path).run(change.path, false));
    if (directory != nullptr) directory->children.clear();
    return {};
  }
  Node* parent = TRY(parent_of(change.path, false));
  if (parent == nullptr) return {};
  const auto child = parent->children.find(split(change.path).second);
  if (child != parent->children.end()) parent->children.erase(child);
  return {};
}

Status Tree::add(Change change) {
  if (change.path.empty()) {  // "./": the root itself
    if (change.entry.type != FileType::directory) return bad_layer("", "replaces the root");
    root_.entry = std::move(change.entry);
    return {};
  }
  Node* parent = TRY(parent_of(change.path, true));
  auto& child = parent->children[std::string(split(change.path).second)];
  if (!child) child = std::make_unique<Node>();
  if (change.entry.type != FileType::directory) child->children.clear();
  child->entry = std::move(change.entry);
  return {};
}

Status Tree::link(const Change& change) {
  const Node* from = TRY(parent_of(change.target, false));
  if (from != nullptr) {
    const auto child = from->children.find(split(change.target).second);
    from = child == from->children.end() ? nullptr : child->second.get();
  }
  if (from == nullptr)
    return bad_layer(change.path, "is a hard link to /" + change.target + ", which is not there");
  if (from->entry.type == FileType::directory)
    return bad_layer(change.path, "is a hard link to a directory");
  return add({.kind = Change::add, .path = change.path, .target = {}, .entry = from->entry});
}

void for_each(const Tree& tree,
              const std::function<void(const std::string& path, const Entry& entry)>& visit) {
  visit_children(tree.root(), "", visit);
}

Result<std::string> normalise_member(std::string_view name) {
  const auto refuse = [&](const std::string& why) {
    return bad_input("image.layer-path",
                     "a layer holds the path \"" + std::string(name.substr(0, 200)) + "\": " + why,
                     "rebuild the image");
  };
  if (name.empty()) return refuse("it is empty");
  if (name.starts_with('/')) return refuse("it is absolute");
  if (name.size() > kMaxPath) return refuse("it is too long");
  std::string out;
  for (const auto& component : components(name)) {
    if (component == "..") return refuse("it contains \"..\"");
    if (component.size() > kMaxName) return refuse("a component is too long");
    if (!out.empty()) out += '/';
    out += component;
  }
  return out;
}

}  // namespace casemate::image
