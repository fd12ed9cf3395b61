// Does what a sanitizer must see, and nothing else: whether a build's sanitizers are on shows when this dies of it.
#include <cstdio>
#include <limits>
#include <memory>
#include <string_view>
#include <thread>

namespace {

int UseAfterFree() {
  auto number = std::make_unique<int>(1);
  const volatile int* dangling = number.get();
  number.reset();
  return *dangling;  // NOLINT(clang-analyzer-cplusplus.NewDelete)
}

int Overflow() {
  volatile int number = std::numeric_limits<int>::max();
  number = number + 1;
  return number;
}

int Race() {
  int number = 0;
  std::thread other([&number] { ++number; });
  ++number;
  other.join();
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc == 2 ? argv[1] : "";
  int number = 0;
  if (what == "use-after-free") {
    number = UseAfterFree();
  } else if (what == "overflow") {
    number = Overflow();
  } else if (what == "race") {
    number = Race();
  } else {
    std::fprintf(stderr, "usage: canary use-after-free | overflow | race\n");
    return 2;
  }
  std::printf("nobody minds: %d\n", number);
  return 0;
}
