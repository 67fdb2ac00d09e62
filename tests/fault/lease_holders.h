// LeaseHolders: processes' worth of holders that want one lease, act as its owner while they have
// it, and are judged by what stands in the log.
//
// Each holder acquires the lease with the library's LeaseKeeper, appends records behind the fence
// "E HOLDER N" (its epoch, its name), and notes when it still felt entitled. Some are threads; one
// is a process of its own (`cairn-drill --hold`), which the drill may stop and wake up.
//
// Judged: every record of an owner stands where its epoch was the lease's; and once a holder has
// been entitled by a later epoch, nobody of an earlier one is.
//
// Threads: one a holder, inside; calls from one thread. Lifetime: the destructor ends them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/ids.h"
#include "cairn/client.h"
#include "cairn/log.h"

namespace cairn::fault {

inline constexpr const char* kOwnedLog = "owned";

// When holders of one epoch felt entitled, by CLOCK_BOOTTIME in microseconds: between the clock
// readings around the question, so that both are bounds.
struct Entitlement {
  int64_t surely_from_us = 0;   // After the first time that the answer was yes.
  int64_t surely_until_us = 0;  // Before the last time that it was.
};

// Told whenever a holder was entitled, with the clock before and after it asked.
using EntitledNote = std::function<void(Epoch epoch, int64_t before_us, int64_t after_us)>;

struct OwnerJudgement {
  uint64_t records = 0;
  uint64_t epochs = 0;
  uint64_t wrong_owner = 0;
  std::vector<std::string> findings;
};

class LeaseHolders {
 public:
  // `program` is this program, for the holder that is a process.
  static absl::StatusOr<std::unique_ptr<LeaseHolders>> Start(std::vector<std::string> endpoints,
                                                             const std::string& program,
                                                             const std::string& notes_path);
  ~LeaseHolders();
  LeaseHolders(const LeaseHolders&) = delete;
  LeaseHolders& operator=(const LeaseHolders&) = delete;

  // The holder that is a process.
  [[nodiscard]] pid_t process() const { return pid_; }
  void Stop();
  OwnerJudgement Judge();

 private:
  LeaseHolders(std::vector<std::string> endpoints, std::string notes_path)
      : endpoints_(std::move(endpoints)), notes_path_(std::move(notes_path)) {}
  absl::Status Open(const std::string& program);
  void Note(Epoch epoch, int64_t before_us, int64_t after_us);
  void ReadNotesOfProcess();
  void JudgeTimes(OwnerJudgement& judgement);

  const std::vector<std::string> endpoints_;
  const std::string notes_path_;
  std::unique_ptr<Client> client_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
  pid_t pid_ = -1;
  absl::Mutex mutex_;
  std::map<Epoch, Entitlement> entitled_ ABSL_GUARDED_BY(mutex_);
};

// What the process of `--hold` does: holds leases until it is killed, and writes a line
// "EPOCH BEFORE_US AFTER_US" to `notes_path` whenever it was entitled.
int HoldLeases(const std::vector<std::string>& endpoints, const std::string& notes_path);

}  // namespace cairn::fault
