#include "node.h"

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::config {

namespace {

std::string Join(const std::string& path, std::string_view key) {
  return path.empty() ? Quote(key) : base::Format("{}.{}", path, Quote(key));
}

}  // namespace

Node Node::Member(const std::string& key, int line, const json::Value& value) const {
  Node node(*file_, value, Join(path_, key), line);
  node.key_ = key;
  return node;
}

std::optional<Node> Node::Get(std::string_view key) const {
  const json::Value::Object* object = value_->AsObject();
  if (object == nullptr) return std::nullopt;
  for (size_t i = 0; i < object->keys.size(); ++i) {
    if (object->keys[i] != key) continue;
    if (object->values[i].IsNull()) return std::nullopt;
    return Member(object->keys[i], object->lines[i], object->values[i]);
  }
  return std::nullopt;
}

Node Node::Require(std::string_view key, std::string_view todo) const {
  std::optional<Node> node = Get(key);
  if (!node) Node(*file_, *value_, Join(path_, key), line_).Fail(base::Format("is missing; {}", todo));
  return std::move(*node);
}

std::vector<Node> Node::Children() const {
  std::vector<Node> children;
  if (const json::Value::Object* object = value_->AsObject()) {
    for (size_t i = 0; i < object->keys.size(); ++i) {
      children.push_back(Member(object->keys[i], object->lines[i], object->values[i]));
    }
  } else if (const json::Value::Array* array = value_->AsArray()) {
    for (const json::Value& element : *array) {
      children.push_back(Node(*file_, element, base::Format("{}[{}]", path_, children.size()), element.line()));
    }
  }
  return children;
}

std::optional<std::string> Node::GetText(std::string_view key) const {
  const std::optional<Node> node = Get(key);
  return node ? std::optional(node->Text()) : std::nullopt;
}

void Node::Fail(std::string_view what) const {
  const std::string place = base::Format("{}:{}", file_->path, line_);
  throw base::Error(base::ErrorKind::kConfig, path_.empty() ? base::Format("{}: {}", place, what)
                                                            : base::Format("{}: {}: {}", place, path_, what));
}

}  // namespace mailboxfs::config
