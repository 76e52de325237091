// What a call needs for a moment, kept by the thread for its next call: vectors that are long enough by then.
#pragma once

#include <utility>

namespace alice {

template <class T>
class Spare {
 public:
  Spare() {
    Idle& idle = idle_here();
    node_ = idle.first ? std::exchange(idle.first, idle.first->next) : new Node;
  }
  Spare(const Spare&) = delete;
  Spare& operator=(const Spare&) = delete;
  ~Spare() {
    node_->object.clear();
    Idle& idle = idle_here();
    node_->next = std::exchange(idle.first, node_);
  }
  T& operator*() const { return node_->object; }
  T* operator->() const { return &node_->object; }

 private:
  struct Node {
    T object;
    Node* next = nullptr;
  };
  struct Idle {
    Node* first = nullptr;
    ~Idle() {
      while (first) delete std::exchange(first, first->next);
    }
  };
  static Idle& idle_here() {
    thread_local Idle idle;
    return idle;
  }
  Node* node_;
};

}  // namespace alice
