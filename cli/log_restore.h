// LogRestore: one log made again from records that are kept elsewhere: in a backup, or in the
// archive.
//
//   look at the name ──► begin the import, or go on with one that was cut short ──► import what is
//   missing ──► finish
//
// What is already in the cluster is compared by its chain before anything is added, so a restore
// may be repeated after any interruption, and this one repeats what may pass by itself.
//
// Threads: one for each object; counters are shared. Lifetime: session, log and counters outlive
// it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/admin.h"
#include "cairn/backup.h"
#include "cli/raw_read.pb.h"
#include "cli/session.h"

namespace cairn::cli {

// The records of one log, in order.
class BatchSource {
 public:
  struct Start {
    Seq seq;
    uint64_t chain = 0;  // Before it.
  };

  virtual ~BatchSource() = default;
  // May pass over records before `seq`; says where it begins. Before the first Next.
  virtual Start SkipTo(Seq seq) = 0;
  // nullopt behind the last one. Errors: kDataLoss, naming what is damaged.
  virtual absl::StatusOr<std::optional<RawRecordBatch>> Next() = 0;
  // Read so far, what was passed over included.
  [[nodiscard]] virtual uint64_t bytes() const = 0;
};

// What is to be made again.
struct LogToRestore {
  LogSettings settings;
  LogBase base;        // Before the first record.
  Seq last_seq;        // base.first_seq - 1 without records.
  uint64_t chain = 0;  // At last_seq.
  std::string origin;  // For messages: "the backup", "the archive".
  std::function<std::unique_ptr<BatchSource>()> open;
};

class LogRestore {
 public:
  struct Counters {
    std::atomic<uint64_t> bytes{0};
    std::atomic<uint64_t> records{0};
  };

  LogRestore(Session& session, Admin admin, const LogToRestore& log, std::string name,
             Counters& counters)
      : session_(session),
        admin_(admin),
        backup_(admin.core()),
        log_(log),
        name_(std::move(name)),
        counters_(counters) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  // "restored" or "was there", after Run.
  [[nodiscard]] const std::string& result() const { return result_; }

  // Whether a log of that name is in the way. Changes nothing.
  absl::Status LookAtName();
  absl::Status Run();

 private:
  // False: there is no such log.
  absl::StatusOr<bool> Open();
  // The log has, or once had, exactly what is to be restored.
  bool IsRestored(const ChainPoint& end);
  absl::Status Try();
  // Adds what there is behind `end`, whose chain has to be that of the records.
  absl::Status ImportBehind(const ChainPoint& end);
  absl::Status Queue(ImportBatch batch, Seq last);
  absl::Status Flush();
  // Counts what was not counted in an earlier try.
  void Show(uint64_t read_bytes, Seq next);
  [[nodiscard]] absl::Status Differs() const;

  Session& session_;
  Admin admin_;
  Backup backup_;
  const LogToRestore& log_;
  const std::string name_;
  Counters& counters_;
  std::optional<Log> target_;
  std::string result_;
  Seq reached_;
  std::vector<ImportBatch> request_;
  Seq request_after_;
  uint64_t request_bytes_ = 0;
  uint64_t request_records_ = 0;
  uint64_t shown_bytes_ = 0;
  Seq shown_seq_ = log_.base.first_seq;
};

}  // namespace cairn::cli
