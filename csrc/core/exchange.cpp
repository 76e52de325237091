// Small: the library does the work.
#include "exchange.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
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
using Request = std::int64_t[2];  // room for an int or a pointer

// What all ranks must mean alike, in a few bytes that travel before the data: what is added in one program may meet
// what another one sends, since MPI takes them in their order, whatever they are.
struct Heading {
  std::int64_t least[2];  // of the ranks, and what is least of its complement: the same number if it is everybody's
  std::int64_t own;
  Request request;
};
struct Started {
  std::int64_t channel;
  const std::byte* memory;
  Request request;
  std::unique_ptr<Heading> heading;
};

std::mutex mutex;  // guards both lists
std::vector<Channel> channels(1);
std::vector<Started> started;
std::atomic<std::int64_t> begun{0}, ended{0}, since{0};
std::atomic<bool> apart{false};  // ranks have met in different exchanges: what is on its way may never come
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

// Floating numbers as integers in the same order, 0 above -0, which MPI compares as it should: to its own comparison a
// NaN is nothing, or all, by where it stands. Here it is the extreme.
template <class T>
void order(std::byte* data, std::int64_t n, bool back, Reduction how) {
  constexpr T largest = std::numeric_limits<T>::max();
  constexpr T infinity = sizeof(T) == 4 ? T{0x7f800000} : static_cast<T>(0x7ff0000000000000);
  for (T& x : std::span(reinterpret_cast<T*>(data), static_cast<std::size_t>(n))) {
    if (!back && (x & largest) > infinity) x = how == Reduction::Max ? largest : T{-1};
    if (x < 0) x ^= largest;
  }
}

void order(const Array& a, bool back, Reduction how) {
  if (a.dtype() == DType::Float32) order<std::int32_t>(a.bytes(), a.numel(), back, how);
  if (a.dtype() == DType::Float64) order<std::int64_t>(a.bytes(), a.numel(), back, how);
}

DType ordered(DType dtype) {
  return dtype == DType::Float32 ? DType::Int32 : dtype == DType::Float64 ? DType::Int64 : dtype;
}

Handle type_of(const Channel& c, DType dtype) { return c.library.types[static_cast<int>(dtype)]; }

int wait_for(const Channel& c, Request& request) {
  std::int64_t status[64];  // more than any library's
  const Waiting waiting;
  return c.library.wait(request, status);
}

std::unique_ptr<Heading> send_heading(const Channel& c, const char* op, std::int64_t how, const Array& a) {
  auto heading = std::make_unique<Heading>();
  std::uint64_t mixed = 1469598103934665603u;
  const auto mix = [&](std::int64_t number) { mixed = (mixed ^ static_cast<std::uint64_t>(number)) * 1099511628211u; };
  for (const char* letter = op; *letter; ++letter) mix(*letter);
  mix(how);
  mix(static_cast<int>(a.dtype()));
  for (const std::int64_t n : a.shape()) mix(n);
  heading->own = heading->least[0] = static_cast<std::int64_t>(mixed);
  heading->least[1] = ~heading->own;
  succeed(
      c, op,
      c.library.iallreduce(c.library.in_place, heading->least, 2, type_of(c, DType::Int64),
                           c.library.reductions[static_cast<int>(Reduction::Min)], c.communicator, heading->request));
  return heading;
}

void check_heading(const Channel& c, const char* op, Heading& heading, const Array& a) {
  succeed(c, op, wait_for(c, heading.request));
  if (heading.least[0] == heading.own && heading.least[1] == ~heading.own) return;
  apart = true;
  fail(ErrorKind::Shape, op, ": all ranks must exchange the same here; this one has ", name(a.dtype()), " of shape ",
       a.shape(),
       ", another one something else, or another op; let all come to the same exchanges in the same order, "
       "and call the same compiled functions with the same shapes");
}

void agree(const Channel& c, const char* op, std::int64_t how, const Array& a) {
  check_heading(c, op, *send_heading(c, op, how, a), a);
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
  agree(c, "allreduce", static_cast<int>(how), out);
  const bool extreme = how != Reduction::Sum;
  if (extreme) {
    copy(in, out);
    order(out, false, how);
  }
  const bool here = extreme || in.bytes() == out.bytes();
  const Handle type = type_of(c, extreme ? ordered(out.dtype()) : out.dtype());
  by_parts(out, [&](std::int64_t at, int n) {
    const Waiting waiting;
    succeed(c, "allreduce",
            c.library.allreduce(here ? c.library.in_place : in.bytes() + at, out.bytes() + at, n, type,
                                c.library.reductions[static_cast<int>(how)], c.communicator));
  });
  if (extreme) order(out, true, how);
}

void broadcast(std::int64_t channel, std::int64_t root, const Array& in, const Array& out) {
  copy(in, out);
  if (channel == 0) return;
  const Channel c = channel_of(channel);
  agree(c, "broadcast", root, out);
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
  std::unique_ptr<Heading> heading = send_heading(c, "allreduce_start", static_cast<int>(how), out);
  if (out.numel() == 0) check_heading(c, "allreduce_start", *heading, out);
  by_parts(out, [&](std::int64_t at, int n) {
    Started s{channel, out.bytes(), {}, std::move(heading)};
    succeed(c, "allreduce_start",
            c.library.iallreduce(c.library.in_place, out.bytes() + at, n, type_of(c, out.dtype()),
                                 c.library.reductions[static_cast<int>(how)], c.communicator, s.request));
    const std::lock_guard lock(mutex);
    started.push_back(std::move(s));
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
      s = std::move(*at);
      started.erase(at);
    }
    found = true;
    if (s.heading) check_heading(c, "allreduce_wait", *s.heading, a);
    succeed(c, "allreduce_wait", wait_for(c, s.request));
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
  if (apart) return static_cast<void>(new auto(std::move(left)));  // MPI may still write into the headings
  for (Started& s : left) {
    const Channel c = channel_of(s.channel);
    if (s.heading) wait_for(c, s.heading->request);
    wait_for(c, s.request);
  }
}

Progress progress() {
  const std::int64_t done = ended, all = begun;
  const std::chrono::duration<double> waited = std::chrono::steady_clock::duration(now() - since);
  return {all, done, all > done ? waited.count() : 0.0};
}

}  // namespace alice::exchange
