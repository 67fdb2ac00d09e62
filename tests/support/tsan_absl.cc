// Tells ThreadSanitizer what abseil's mutexes order. Linked into every program of a build with
// -fsanitize=thread (cmake/CairnCompile.cmake), and into no other.
//
// Debian's abseil is built without the sanitizer, which then sees neither its locks nor its
// waits and takes every guarded access for a race. These definitions stand before the library's
// and call them: a lock acquires what the last unlock released.
//
// An unlock evaluates the conditions of those who wait, still under the lock but after its
// release has been noted; so reads are not watched while the library runs.
//
// RocksDB is built without it too. What its headers put into our code is watched, what the library
// does with the same reference counts is not, so each object that two threads share would look
// like a race: accesses with the library on either stack are left out.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);

// The sanitizer's own name for this.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
const char* __tsan_default_suppressions() { return "race:librocksdb.so\n"; }
}

namespace {

class UnwatchedReads {
 public:
  UnwatchedReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~UnwatchedReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

// The library's function of that mangled name.
template <class Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// Runs `wait`, which gives the lock up and takes it again.
template <class Wait>
auto Waiting(absl::Mutex* mutex, Wait wait) {
  __tsan_release(mutex);
  struct Acquire {
    absl::Mutex* mutex;
    ~Acquire() { __tsan_acquire(mutex); }
  } acquire{mutex};
  const UnwatchedReads unwatched;
  return wait();
}

}  // namespace

namespace absl {

#define CAIRN_MUTEX(suffix) "_ZN4absl7debian35Mutex" suffix
#define CAIRN_COND_VAR(suffix) "_ZN4absl7debian37CondVar" suffix
#define CAIRN_CONDITION "RKNS0_9ConditionE"

void Mutex::Lock() {
  static auto* const real = Real<void(Mutex*)>(CAIRN_MUTEX("4LockEv"));
  real(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static auto* const real = Real<void(Mutex*)>(CAIRN_MUTEX("6UnlockEv"));
  __tsan_release(this);
  const UnwatchedReads unwatched;
  real(this);
}

bool Mutex::TryLock() {
  static auto* const real = Real<bool(Mutex*)>(CAIRN_MUTEX("7TryLockEv"));
  const bool locked = real(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Await(const Condition& condition) {
  static auto* const real =
      Real<void(Mutex*, const Condition&)>(CAIRN_MUTEX("5AwaitE" CAIRN_CONDITION));
  Waiting(this, [&] { real(this, condition); });
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const real = Real<bool(Mutex*, const Condition&, Duration)>(
      CAIRN_MUTEX("16AwaitWithTimeoutE" CAIRN_CONDITION "NS0_8DurationE"));
  return Waiting(this, [&] { return real(this, condition, timeout); });
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const real = Real<bool(Mutex*, const Condition&, Time)>(
      CAIRN_MUTEX("17AwaitWithDeadlineE" CAIRN_CONDITION "NS0_4TimeE"));
  return Waiting(this, [&] { return real(this, condition, deadline); });
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const real = Real<void(CondVar*, Mutex*)>(CAIRN_COND_VAR("4WaitEPNS0_5MutexE"));
  Waiting(mutex, [&] { real(this, mutex); });
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const real = Real<bool(CondVar*, Mutex*, Duration)>(
      CAIRN_COND_VAR("15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"));
  return Waiting(mutex, [&] { return real(this, mutex, timeout); });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const real = Real<bool(CondVar*, Mutex*, Time)>(
      CAIRN_COND_VAR("16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE"));
  return Waiting(mutex, [&] { return real(this, mutex, deadline); });
}

}  // namespace absl
