#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "file.h"
#include "mailboxfs/json/json.h"

namespace mailboxfs::config {

// A value in the configuration file together with its place, so that a mistake can be named.
// Borrows the file. The typed getters rely on CheckSchema having seen the file.
class Node {
 public:
  explicit Node(const File& file) : Node(file, file.root, "", file.root.line()) {}

  const json::Value& value() const { return *value_; }
  const File& file() const { return *file_; }
  const std::string& path() const { return path_; }  // "accounts.contoso.auth"
  int line() const { return line_; }

  // Null counts as absent, everywhere.
  std::optional<Node> Get(std::string_view key) const;
  // Throws "KEY: is missing; TODO" if absent.
  Node Require(std::string_view key, std::string_view todo) const;
  // Members of an object, elements of an array ("mailboxes[0]").
  std::vector<Node> Children() const;
  // The last part of the path of a member.
  const std::string& key() const { return key_; }

  const std::string& Text() const { return *value_->AsString(); }
  std::optional<std::string> GetText(std::string_view key) const;

  // Throws Error(kConfig) "FILE:LINE: PATH: what".
  [[noreturn]] void Fail(std::string_view what) const;

 private:
  Node(const File& file, const json::Value& value, std::string path, int line)
      : file_(&file), value_(&value), path_(std::move(path)), line_(line) {}
  Node Member(const std::string& key, int line, const json::Value& value) const;

  const File* file_;
  const json::Value* value_;
  std::string path_;
  std::string key_;
  int line_;
};

}  // namespace mailboxfs::config
