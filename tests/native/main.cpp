// Runs the tests whose names begin with the first argument; all without one.
#include <cstring>
#include <exception>

#include "../../csrc/ops/register.h"
#include "check.h"

int main(int argc, char** argv) {
  using namespace alice::check;
  alice::register_kernels();
  const char* wanted = argc > 1 ? argv[1] : "";
  for (const Test& test : tests()) {
    if (std::strncmp(test.name, wanted, std::strlen(wanted)) != 0) continue;
    std::printf("%s\n", test.name);
    try {
      test.run();
    } catch (const std::exception& e) {
      ++failures;
      std::printf("%s threw: %s\n", test.name, e.what());
    }
  }
  return failures == 0 ? 0 : 1;
}
