// Small: the library does the work.
#include "exchange.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <string>

#include "error.h"
#include "fork.h"

namespace alice::exchange {
namespace {

constexpr std::int64_t kMost = 1 << 30;  // elements of a call, which counts them in an int

struct Channel {
  Library library;
  Handle communicator;
};
struct Started {
  std::int64_t channel;
  const std::byte* memory;
  std::int64_t request[2];  // room for an int or a pointer
};

std::mutex mutex;  // guards both lists
std::vector<Channel> channels(1);
std::vector<Started> started;
std::atomic<std::int64_t> begun{0}, ended{0}, since{0};
bool forked = false;

[[maybe_unused]] const bool registered = [] {
  fork::cover(mutex);
  fork::in_child([] { forked = true; });  // MPI belongs to the process that has initialised it
  return true;
}();

std::int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// Stands around every call in which a process may wait for others.
struct Waiting {
  Waiting() {
    since = now();
    ++begun;
  }
  ~Waiting() { ++ended; }
};

Channel channel_of(std::int64_t number) {
  const std::lock_guard lock(mutex);
  return channels[static_cast<std::size_t>(number)];
}

void succeed(const Channel& c, const char* op, int status) {
  if (status == 0) return;
  char text[1024] = "";  // MPI_MAX_ERROR_STRING is at most that
  int length = 0;
  c.library.error_string(status, text, &length);
  fail(ErrorKind::Value, op, ": MPI failed: ", std::string(text));
}

template <class Call>
void by_parts(const Array& a, Call&& call) {
  const std::int64_t n = a.numel(), item = static_cast<std::int64_t>(itemsize(a.dtype()));
  for (std::int64_t first = 0; first < n; first += kMost)
    call(first * item, static_cast<int>(std::min(kMost, n - first)));
}

void copy(const Array& in, const Array& out) {
  if (in.bytes() != out.bytes() && in.numel() > 0)
    std::memcpy(out.bytes(), in.bytes(), static_cast<std::size_t>(in.numel()) * itemsize(in.dtype()));
}

Handle type_of(const Channel& c, const Array& a) { return c.library.types[static_cast<int>(a.dtype())]; }

int wait_for(const Channel& c, Started& s) {
  std::int64_t status[64];  // more than any library's
  const Waiting waiting;
  return c.library.wait(s.request, status);
}

}  // namespace

std::int64_t open(const Library& library, Handle communicator) {
  const std::lock_guard lock(mutex);
  channels.push_back({library, communicator});
  return static_cast<std::int64_t>(channels.size()) - 1;
}

void check(const char* op, std::int64_t channel) {
  const std::lock_guard lock(mutex);
  const std::int64_t n = static_cast<std::int64_t>(channels.size());
  if (channel < 0 || channel >= n) fail(ErrorKind::Value, op, ": channel must be from 0 to ", n - 1, "; got ", channel);
  if (channel > 0 && forked)
    fail(ErrorKind::Value, op, ": this process was forked from one of MPI's, and is none itself; start it by mpiexec");
}

bool reduces(std::int64_t channel, DType dtype) {
  if (channel == 0) return info(dtype).kind != DTypeKind::Bool && info(dtype).size > 2;
  return channel_of(channel).library.types[static_cast<int>(dtype)] != 0;
}

void allreduce(std::int64_t channel, Reduction how, const Array& in, const Array& out) {
  if (channel == 0) return copy(in, out);
  const Channel c = channel_of(channel);
  const bool here = in.bytes() == out.bytes();
  by_parts(out, [&](std::int64_t at, int n) {
    const Waiting waiting;
    succeed(c, "allreduce",
            c.library.allreduce(here ? c.library.in_place : in.bytes() + at, out.bytes() + at, n, type_of(c, out),
                                c.library.reductions[static_cast<int>(how)], c.communicator));
  });
}

void broadcast(std::int64_t channel, std::int64_t root, const Array& in, const Array& out) {
  copy(in, out);
  if (channel == 0) return;
  const Channel c = channel_of(channel);
  const int item = static_cast<int>(itemsize(out.dtype()));
  const std::int64_t bytes = out.numel() * item;
  for (std::int64_t first = 0; first < bytes; first += kMost) {
    const Waiting waiting;
    succeed(c, "broadcast",
            c.library.broadcast(out.bytes() + first, static_cast<int>(std::min(kMost, bytes - first)), c.library.byte,
                                static_cast<int>(root), c.communicator));
  }
}

void start(std::int64_t channel, Reduction how, const Array& in, const Array& out) {
  copy(in, out);
  if (channel == 0) return;
  const Channel c = channel_of(channel);
  by_parts(out, [&](std::int64_t at, int n) {
    Started s{channel, out.bytes(), {}};
    succeed(c, "allreduce_start",
            c.library.iallreduce(c.library.in_place, out.bytes() + at, n, type_of(c, out),
                                 c.library.reductions[static_cast<int>(how)], c.communicator, s.request));
    const std::lock_guard lock(mutex);
    started.push_back(s);
  });
}

void finish(std::int64_t channel, const Array& a) {
  if (channel == 0) return;
  const Channel c = channel_of(channel);
  bool found = a.numel() == 0;
  for (;;) {
    Started s;
    {
      const std::lock_guard lock(mutex);
      const auto at = std::find_if(started.begin(), started.end(), [&](const Started& other) {
        return other.channel == channel && other.memory == a.bytes();
      });
      if (at == started.end()) break;
      s = *at;
      started.erase(at);
    }
    found = true;
    succeed(c, "allreduce_wait", wait_for(c, s));
  }
  if (!found)
    fail(ErrorKind::Value, "allreduce_wait: nothing was started there; pass what allreduce_start gave, itself");
}

void finish_all() {
  std::vector<Started> left;
  {
    const std::lock_guard lock(mutex);
    left.swap(started);
  }
  for (Started& s : left) wait_for(channel_of(s.channel), s);
}

Progress progress() {
  const std::int64_t done = ended, all = begun;
  const std::chrono::duration<double> waited = std::chrono::steady_clock::duration(now() - since);
  return {all, done, all > done ? waited.count() : 0.0};
}

}  // namespace alice::exchange
