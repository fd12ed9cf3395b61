#pragma once

#include <string>
#include <string_view>

namespace mailboxfs::base {

// Overwrites the memory so that the compiler cannot leave it out.
void WipeMemory(void* data, size_t size) noexcept;

// A string that must not be shown: no stream operator, no fmt formatter, wiped when
// it dies. Reentrant.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  ~Secret() { Wipe(); }
  Secret(const Secret&) = default;
  // Copied, then wiped: moving a short string would leave its bytes behind.
  // NOLINTNEXTLINE(performance-move-constructor-init)
  Secret(Secret&& other) noexcept : value_(other.value_) { other.Wipe(); }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      Wipe();
      value_ = other.value_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      Wipe();
      value_ = other.value_;
      other.Wipe();
    }
    return *this;
  }

  // The only way to the value. Don't keep the view, don't log it.
  std::string_view Reveal() const noexcept { return value_; }
  bool empty() const noexcept { return value_.empty(); }
  bool operator==(const Secret& other) const noexcept { return value_ == other.value_; }

 private:
  void Wipe() noexcept {
    WipeMemory(value_.data(), value_.capacity());
    value_.clear();
  }
  std::string value_;
};

// `text` with every occurrence of `secret` replaced: for words of a server that may repeat what
// it was sent.
std::string Redact(std::string text, const Secret& secret);

}  // namespace mailboxfs::base
