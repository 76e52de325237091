// The little that tests of the library need: TEST(name) { … } registers itself, CHECK says where it failed.
#pragma once

#include <cstdio>
#include <vector>

namespace alice::check {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

inline int failures = 0;

inline void expect(bool holds, const char* what, const char* file, int line) {
  if (holds) return;
  ++failures;
  std::printf("%s:%d: does not hold: %s\n", file, line, what);
}

struct Registration {
  Registration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

}  // namespace alice::check

#define CHECK(condition) ::alice::check::expect(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
#define TEST(name)                                                  \
  static void name();                                               \
  static const ::alice::check::Registration name##_at{#name, name}; \
  static void name()
