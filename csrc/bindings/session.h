// Session: a function is being traced, to be compiled or to be run for a batch. While one is open on a thread, every
// op there gives an abstract result, whatever its operands, and what the function would do to the outside (in-place
// updates, gradients) is noted, not done.
#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include "forward.h"

namespace alice {

// What the traced function did to the .grad of one leaf.
class Gradient {
 public:
  explicit Gradient(TensorObject* leaf) : leaf_(leaf) {}

  py::object read();
  void write(py::object value) {
    written_ = true;
    current_ = std::move(value);
  }

  TensorObject* leaf() const { return leaf_; }
  // The function has seen what was there before: this Tensor, or None; null if it has not looked.
  const py::object& before() const { return before_; }
  // What it left there: a Tensor, or None; null if it wrote nothing.
  py::object after() const { return written_ ? current_ : py::object(); }

 private:
  TensorObject* leaf_;
  py::object before_, current_;
  bool written_ = false;
};

class Session final : public Interpreter {
 public:
  void see(const BoundCall& call) override;
  void made(TensorObject* t) override;
  bool is_abstract() const override { return true; }

  py::list equations;
  std::uint8_t depth = 1;          // as many sessions are open, one in the other
  std::vector<py::object> leaves;  // keeps the leaves of `gradients` alive
  std::vector<Gradient> gradients;
  std::unordered_map<TensorObject*, std::size_t> number_of;  // a leaf's place in `gradients`
  // Of memory that the function changes in place, once it runs: how often until now, and when (Storage::tick()).
  struct Change {
    std::uint32_t times = 0;
    std::uint64_t last = 0;
  };
  std::unordered_map<const Storage*, Change> changes;
  Session* outer = nullptr;    // this one was opened within
  bool isolated = false;       // run once, right after
  bool checked = false;        // the function wants its values checked, which only a run as it is can do
  bool reads_outside = false;  // the trace is used once, now: values from outside may become constants of it
  // Isolated: how many contexts may follow the trace when it runs, and how many of them rules of one's own have hidden.
  int followers = 0, hidden = 0;
  Contexts outer_active;  // of them, the thread's own, while the session is entered
  ForwardContexts outer_forward;
  // Who waits outside of it until it is left.
  py::object outer_recorder;
  Interpreter* outer_checkpoint = nullptr;

  Gradient& gradient_of(TensorObject* leaf);
};

// What the open sessions have noted of a memory.
Session::Change noted_changes(const Storage* s);

inline Session* open_session(const ThreadState& state) {  // the innermost one; or null
  return static_cast<Session*>(state.interpreters[Interpreters::kSession]);
}
inline std::uint8_t tracing_depth(const ThreadState& state) {
  const Session* session = open_session(state);
  return session ? session->depth : 0;
}

// Is this a trace that a context outside of it follows when it runs?
inline bool may_be_followed_later(const ThreadState& state) {
  const Session* session = open_session(state);
  return session && session->isolated && session->hidden < session->followers;
}

// The thread is back in the trace of that depth as long as this lives: sessions within it wait.
class InTrace {
 public:
  InTrace(ThreadState& state, std::uint8_t depth);
  ~InTrace();
  InTrace(const InTrace&) = delete;

 private:
  ThreadState& state_;
  Session* inner_ = nullptr;  // the innermost of those that wait, or null
  py::object recorder_;
  Interpreter* checkpoint_ = nullptr;
};

Session& session_of(py::handle scope);  // of the Python object that opened it
void add_session(py::module_& m);

}  // namespace alice
