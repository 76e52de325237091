// Hot: every call runs through here.
#include "cache.h"

#include <algorithm>

namespace alice {
namespace {

bool can_be_weak(PyObject* o) { return PyType_SUPPORTS_WEAKREFS(Py_TYPE(o)); }

// Borrowed; null if it is gone.
PyObject* object_of(const Cache::Entry& e, std::size_t i) {
  if (!e.weak[i]) return e.objects[i].ptr();
  PyObject* o = PyWeakref_GET_OBJECT(e.objects[i].ptr());
  return o == Py_None ? nullptr : o;
}

bool is_dead(const Cache::Entry& e) {
  for (std::size_t i = 0; i < e.objects.size(); ++i)
    if (!object_of(e, i)) return true;
  return false;
}

bool matches(const Cache::Entry& e, const Signature& s) {
  if (e.words != s.words || e.objects.size() != s.objects.size()) return false;
  for (std::size_t i = 0; i < e.objects.size(); ++i) {
    PyObject* o = object_of(e, i);
    if (!o || !same_data(o, s.objects[i])) return false;
  }
  return true;
}

}  // namespace

// Nothing here runs code of users, so the entries stay as they are meanwhile.
Cache::Ref Cache::find(PyObject* function, const Arguments& arguments, std::string* changed) {
  const Entry* other = nullptr;
  for (auto e = entries_.begin(); e != entries_.end(); ++e) {
    if (!matches(**e, arguments.signature()) || !(*e)->traced.holds(arguments)) continue;
    if (!(*e)->surroundings.hold(function, arguments.signature().objects)) {
      if (!other) other = &**e;
      continue;
    }
    if (e != entries_.begin()) std::rotate(entries_.begin(), e, e + 1);
    return entries_.front();
  }
  if (other) *changed = other->surroundings.changed();
  return {};
}

Cache::Ref Cache::add(PyObject* function, const Arguments& arguments, Traced traced, py::handle forget) {
  const Signature& s = arguments.signature();
  auto* entry = new Entry;
  Ref made(entry);
  entry->words = s.words;
  for (PyObject* o : s.objects) {
    entry->weak.push_back(can_be_weak(o));
    if (entry->weak.back()) {
      entry->objects.push_back(owned(PyWeakref_NewRef(o, forget.ptr())));
    } else {
      entry->objects.push_back(borrowed(o));
    }
  }
  entry->surroundings = Surroundings::of(function, s.objects, traced.made->outside);
  entry->traced = std::move(traced);
  entries_.insert(entries_.begin(), made);
  if (entries_.size() > room_) {
    const Ref last = std::move(entries_.back());
    entries_.pop_back();
  }
  return made;
}

void Cache::drop_dead() {
  std::vector<Ref> dead;  // what goes with them may call back
  for (const auto& e : entries_)
    if (is_dead(*e)) dead.push_back(e);
  std::erase_if(entries_, [](const auto& e) { return is_dead(*e); });
}

void Cache::clear() {
  std::vector<Ref> gone;
  gone.swap(entries_);
  hits_ = misses_ = 0;
}

int Cache::traverse(visitproc visit, void* arg) const {
  for (const auto& e : entries_) {
    if (e.is_shared()) continue;  // running
    for (const py::object& o : e->objects) Py_VISIT(o.ptr());
    Py_VISIT(e->traced.structure.ptr());
    Py_VISIT(e->traced.others.ptr());
    Py_VISIT(e->traced.marks.ptr());
    Py_VISIT(e->traced.call.ptr());
    if (const int stop = e->surroundings.traverse(visit, arg)) return stop;
    if (e->traced.made.use_count() != 1) continue;  // shown to somebody
    for (const py::object& t : e->traced.made->outside) Py_VISIT(t.ptr());
    for (const py::object& t : e->traced.made->changed) Py_VISIT(t.ptr());
  }
  return 0;
}

}  // namespace alice
