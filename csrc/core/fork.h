// A fork copies one thread, and the memory of all. Whatever another thread holds at that moment stays locked in the
// child for ever, and half changed: so forking waits until nothing is Running, and then takes what is registered here.
#pragma once

namespace alice::fork {

// Both are for static initialisation, when there is one thread.

// The child finds the mutex free, and what it guards whole. Mutexes are taken in the order of registration.
struct Covered {
  void* mutex;
  void (*lock)(void*);
  void (*unlock)(void*);
};
void cover(const Covered& mutex);

template <class Mutex>
void cover(Mutex& mutex) {
  cover({&mutex, [](void* m) { static_cast<Mutex*>(m)->lock(); }, [](void* m) { static_cast<Mutex*>(m)->unlock(); }});
}
// Called in the child, then: it lacks the threads that its parent had.
void in_child(void (*restart)());

}  // namespace alice::fork
