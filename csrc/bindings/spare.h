// What a call needs for a moment, kept by the thread for its next call: vectors that are long enough by then.
#pragma once

#include <memory>
#include <vector>

namespace alice {

template <class T>
class Spare {
 public:
  Spare() {
    auto& idle = idle_here();
    if (!idle.empty()) {
      object_ = std::move(idle.back());
      idle.pop_back();
    } else {
      object_ = std::make_unique<T>();
      idle.reserve(idle.size() + 1 + ++made_here());  // so that giving back cannot fail
    }
  }
  Spare(const Spare&) = delete;
  Spare& operator=(const Spare&) = delete;
  ~Spare() {
    object_->clear();
    idle_here().push_back(std::move(object_));
  }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_.get(); }

 private:
  static std::vector<std::unique_ptr<T>>& idle_here() {
    thread_local std::vector<std::unique_ptr<T>> idle;
    return idle;
  }
  static std::size_t& made_here() {
    thread_local std::size_t made = 0;
    return made;
  }
  std::unique_ptr<T> object_;
};

}  // namespace alice
