// Faults of the disks below the log: all nodes' at once are nearly full, so that nothing can be
// appended until there is room again. Leases and reads go on meanwhile.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tests/failover/cache_faults.h"
#include "tests/fault/fault.h"
#include "tests/fault/small_disk.h"

namespace cairn::failover {
namespace {

using fault::NoEffect;
using fault::SmallDisk;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kAmpleBytes = 2048 * kMiB;
// Half of the watermark that the nodes of drills have (tests/fault/lab.cc).
constexpr uint64_t kBelowWatermarkBytes = 24 * kMiB;
constexpr absl::Duration kWhole = absl::Seconds(60);
constexpr int kNoticeSeconds = 20;
// An agent holds a reply for 10 s before it says what is the matter.
constexpr absl::Duration kHeld = absl::Seconds(15);
constexpr int kRefusedSeconds = 45;
constexpr const char* kRefusedKey = "probe:refused";
// Written before the disks are full: a missing key may have expired, which waits for the log.
constexpr const char* kReadKey = "probe:read";
constexpr int64_t kValue = 1;

// The nodes' directories on small disks. Nodes move one after the other, so that the log goes on
// meanwhile. Lifetime: the destructor moves back whoever is still there.
class SmallDisks {
 public:
  explicit SmallDisks(CacheLab& lab) : lab_(lab), disks_(lab.nodes().size()) {}
  ~SmallDisks() {
    for (size_t node = 0; node < disks_.size(); ++node) MoveBack(node);
  }
  SmallDisks(const SmallDisks&) = delete;
  SmallDisks& operator=(const SmallDisks&) = delete;

  absl::Status PutAll() {
    for (size_t node = 0; node < disks_.size(); ++node) {
      lab_.nodes().Kill(node);
      auto disk = SmallDisk::Put(lab_.nodes().cluster().DataDir(node), kAmpleBytes);
      if (disk.ok()) disks_[node] = *std::move(disk);
      lab_.nodes().cluster().Start(node);
      RETURN_IF_ERROR(disk.status());
      RETURN_IF_ERROR(lab_.nodes().AwaitWhole(kWhole));
    }
    return absl::OkStatus();
  }

  absl::Status TakeAll() {
    for (size_t node = 0; node < disks_.size(); ++node) {
      MoveBack(node);
      RETURN_IF_ERROR(lab_.nodes().AwaitWhole(kWhole));
    }
    return absl::OkStatus();
  }

  // What each holds, and less room than the watermark asks for.
  absl::Status Fill() {
    for (const auto& disk : disks_) {
      RETURN_IF_ERROR(disk->Resize(disk->UsedBytes() + kBelowWatermarkBytes));
    }
    return absl::OkStatus();
  }

  absl::Status MakeRoom() {
    for (const auto& disk : disks_) RETURN_IF_ERROR(disk->Resize(kAmpleBytes));
    return absl::OkStatus();
  }

 private:
  void MoveBack(size_t node) {
    if (disks_[node] == nullptr) return;
    if (lab_.nodes().cluster().IsRunning(node)) lab_.nodes().Kill(node);
    disks_[node].reset();
    lab_.nodes().cluster().Start(node);
  }

  CacheLab& lab_;
  std::vector<std::unique_ptr<SmallDisk>> disks_;
};

bool AllAreFull(CacheLab& lab) {
  for (size_t node = 0; node < lab.nodes().size(); ++node) {
    if (lab.nodes().Metric(node, "cairn_storage_full").value_or(0) != 1) return false;
  }
  return true;
}

// What the write is answered with.
std::optional<CacheAnswer> TryToWrite(CacheLab& lab, const char* key) {
  const absl::StatusOr<size_t> primary = lab.Primary();
  if (!primary.ok()) return std::nullopt;
  const auto client = lab.kind().ConnectWriter(lab.PlaceOf(*primary), kHeld);
  return client == nullptr ? std::nullopt : client->Set(key, kValue);
}

absl::Status WriteForLater(CacheLab& lab) {
  const auto written = [&] {
    const std::optional<CacheAnswer> answer = TryToWrite(lab, kReadKey);
    return answer && answer->done();
  };
  return integration::Eventually(written, kNoticeSeconds)
             ? absl::OkStatus()
             : NoEffect("no write succeeds while there is room");
}

// Waits until a write is told that it is the log that takes nothing; returns these words.
absl::StatusOr<std::string> AwaitRefusal(CacheLab& lab) {
  std::string words = "nothing";
  const bool refused = integration::Eventually(
      [&] {
        const std::optional<CacheAnswer> answer = TryToWrite(lab, kRefusedKey);
        if (!answer) return false;
        words = answer->done() ? "that it was done" : answer->text;
        return !answer->done() && words.find("the log ") != std::string::npos;
      },
      kRefusedSeconds);
  if (!refused) return NoEffect("all disks are full, and a write is told: " + words);
  return words.substr(0, words.find('\r'));
}

absl::Status CheckRead(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  const auto client = lab.kind().Connect(lab.PlaceOf(primary), kHeld);
  const auto answer = client == nullptr ? std::nullopt : client->Get(kReadKey);
  if (answer && answer->done() && answer->value == kValue) return absl::OkStatus();
  return NoEffect("while disks are full the primary does not answer a read: " +
                  (answer ? answer->text : "no reply"));
}

// Requires: all disks are full. What clients were told meanwhile.
absl::StatusOr<std::string> WatchFull(CacheLab& lab) {
  if (!integration::Eventually([&] { return AllAreFull(lab); }, kNoticeSeconds)) {
    return NoEffect("the nodes did not notice that their disks are nearly full");
  }
  ASSIGN_OR_RETURN(const std::string words, AwaitRefusal(lab));
  RETURN_IF_ERROR(CheckRead(lab));
  return words;
}

absl::StatusOr<std::string> LogDisksFull(CacheLab& lab) {
  SmallDisks disks(lab);
  RETURN_IF_ERROR(disks.PutAll());
  RETURN_IF_ERROR(WriteForLater(lab));
  RETURN_IF_ERROR(disks.Fill());
  const absl::StatusOr<std::string> words = WatchFull(lab);
  RETURN_IF_ERROR(disks.MakeRoom());
  RETURN_IF_ERROR(words.status());
  const absl::Time since = absl::Now();
  RETURN_IF_ERROR(lab.AwaitWhole(kWhole));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - since);
  RETURN_IF_ERROR(disks.TakeAll());
  return fmt::format(
      "all nodes report storage_full, reads go on, writes are told: {}; with room "
      "whole again after {:.1f} s",
      *words, seconds);
}

}  // namespace

std::vector<CacheFault> LogDiskFaults() {
  return {{.name = "log-disks-full", .run = LogDisksFull, .small_disk = true}};
}

}  // namespace cairn::failover
