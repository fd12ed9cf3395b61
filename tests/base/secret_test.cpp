#include "mailboxfs/base/secret.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace mailboxfs::base {
namespace {

template <typename T, typename = void>
struct IsStreamable : std::false_type {};
template <typename T>
struct IsStreamable<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<T>())>> : std::true_type {};

TEST(Secret, CannotBePrinted) {
  static_assert(!IsStreamable<Secret>::value);
  static_assert(!std::is_convertible_v<Secret, std::string_view>);
  EXPECT_EQ(Secret("x").Reveal(), "x");
}

TEST(Secret, IsEmptyAfterBeingMovedFrom) {
  Secret first("short");
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(second.Reveal(), "short");
  first = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(first.Reveal(), "short");
}

TEST(Redact, LeavesNoOccurrence) {
  EXPECT_EQ(Redact("no tiger, a tiger", Secret("tiger")), "no [redacted], a [redacted]");
  EXPECT_EQ(Redact("as it is", Secret("tiger")), "as it is");
  EXPECT_EQ(Redact("as it is", Secret()), "as it is");
}

TEST(WipeMemory, OverwritesTheBytes) {
  char bytes[4] = {'a', 'b', 'c', 'd'};
  WipeMemory(bytes, sizeof bytes);
  EXPECT_EQ(std::string_view(bytes, 4), std::string_view("\0\0\0\0", 4));
}

}  // namespace
}  // namespace mailboxfs::base
