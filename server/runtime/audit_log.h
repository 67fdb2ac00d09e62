// AuditLog: one JSON line for each call that changes anything but records and leases, allowed or
// refused, and for each refused login (decision 020). Never a token, a secret or a record.
//
//   {"time":"2026-01-02T03:04:05.678901Z","node":"n1","request_id":"…","principal":"ops","address":"ipv4:…",
//    "method":"/cairn.v1.LogService/DeleteLog","log":"orders","outcome":"OK","message":""}
//
// Without a file the lines go to the process's log. A file that was renamed or removed is opened
// anew at the next line, so that rotating needs no signal. When a line cannot be written, that is
// said in the process's log, with the line; the node goes on.
//
// Refused logins cost whoever tries them nothing, so no more than kRefusedLoginsPerSecond are
// written; the next one that is says how many were left out ("omitted").
//
// Threads: any; a line is written with the lock held, so lines are whole and in order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"

namespace cairn::server {

struct AuditEntry {
  std::string_view request_id;
  std::string_view principal;  // Empty: nobody known, or the policy is off.
  std::string_view address;    // Of the peer, as gRPC names it.
  std::string_view method;     // "/cairn.v1.LogService/DeleteLog"
  std::string_view log;        // Or principal or token that the call names; may be empty.
  std::string_view outcome;    // "OK" or the reason of the refusal.
  std::string_view message;    // Why it was refused.
};

class AuditLog {
 public:
  static constexpr int kRefusedLoginsPerSecond = 100;

  // `path` empty: the process's log. `clock` outlives it.
  AuditLog(std::string node, std::string path, const Clock* clock);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  // Opens the file, for a first look at whether that works. Errors: kInvalidArgument.
  absl::Status Open();

  void Write(const AuditEntry& entry);
  void WriteRefusedLogin(const AuditEntry& entry);

 private:
  [[nodiscard]] std::string Line(const AuditEntry& entry, uint64_t omitted) const;
  void Put(const std::string& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // "" or why the file at the path is not open.
  std::string Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string WriteToFile(const std::string& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string node_;
  const std::string path_;
  const Clock* const clock_;

  absl::Mutex mutex_;
  int fd_ ABSL_GUARDED_BY(mutex_) = -1;
  int64_t second_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the logins counted below.
  int logins_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t omitted_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::server
