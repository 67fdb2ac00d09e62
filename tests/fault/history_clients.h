// HistoryClients: clients that race for a few logs with single calls of every kind, and note each
// call and its answer, so that the histories can be judged (tests/history).
//
// They append (plainly, on the condition of a last seq, behind a lease's epoch), read where the
// log stands, and take, renew, release and hand over its lease. What a client has seen decides
// what it asks for, so conditions hold about as often as they fail.
//
// A history is bounded: behind kMaxOperations its clients go on with a new log.
//
// Threads: one for each client, inside; calls from one thread.
// Lifetime: the Client outlives it. The destructor stops the clients.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/random.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "tests/history/history_types.h"

namespace cairn::fault {

// Names of the logs begin so.
inline constexpr const char* kHistoryLogs = "history-";

struct HistoryOptions {
  std::vector<std::string> endpoints;
  size_t logs = 2;
  size_t clients_per_log = 4;
  uint64_t seed = 1;
};

struct HistoryJudgement {
  uint64_t histories = 0;
  uint64_t operations = 0;
  uint64_t done = 0;
  uint64_t not_linearizable = 0;
  std::vector<std::string> findings;
};

class HistoryClients {
 public:
  static absl::StatusOr<std::unique_ptr<HistoryClients>> Start(HistoryOptions options);
  ~HistoryClients();
  HistoryClients(const HistoryClients&) = delete;
  HistoryClients& operator=(const HistoryClients&) = delete;

  // Stops asking, and waits for the last answers.
  void Stop();
  // Reads each log to its end and judges its history; a history that fails is left as text in
  // `dir`. Requires: Stop was called, the cluster is well.
  HistoryJudgement Judge(const std::string& dir);

 private:
  // One log and what was asked of it.
  struct Book {
    Log log;
    absl::Mutex mutex;
    std::vector<history::Operation> operations ABSL_GUARDED_BY(mutex);
    // What some client saw last; a hint for conditions.
    std::atomic<uint64_t> last_seq{0};
    std::atomic<uint64_t> epoch{0};
    explicit Book(Log log_in) : log(std::move(log_in)) {}
  };
  class Caller;

  explicit HistoryClients(HistoryOptions options) : options_(std::move(options)) {}
  absl::Status Open();
  // The book of this slot, or a new one when that is full.
  std::shared_ptr<Book> Current(size_t slot);
  absl::StatusOr<std::shared_ptr<Book>> NewBook(size_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void JudgeBook(Book& book, const std::string& dir, HistoryJudgement& judgement);

  const HistoryOptions options_;
  std::unique_ptr<Client> client_;
  std::atomic<bool> stop_{false};
  absl::Mutex mutex_;
  std::vector<std::shared_ptr<Book>> current_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Book>> all_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace cairn::fault
