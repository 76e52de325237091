// Ctrl-C while native work goes on and on. Python only notes the signal, and acts when it runs again; nor may work that
// holds locks wait for Python to ask (running.h). So loops, which may take for ever, listen themselves, on the main
// thread, where Python acts on signals; and give up if they have not come to their end a while after the key.
#pragma once

#include <cstdint>
#include <exception>

namespace alice {

// Thrown out of the work; becomes what Python makes of the signal, KeyboardInterrupt as a rule.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped by Ctrl-C"; }
};

// Counts the steps of a loop, each of which takes so long by an estimate, and looks up from time to time. Loops that
// stand in others listen with them; short ones never do.
class Patience {
 public:
  explicit Patience(double nanoseconds);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;
  void step() {
    if (--left_ == 0) [[unlikely]]
      look();
  }

 private:
  [[gnu::cold]] void look();  // throws Interrupted

  std::int64_t left_, between_;
};

}  // namespace alice
