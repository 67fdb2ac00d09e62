// CertificateWatch: when the certificates that an agent uses end: those of its clients' port and
// those with which it reaches the log.
//
//   files ──each second──► TlsFileWatch ─► TlsExpiryAlarm (the log: at 14 days, at 3, at the end)
//                                       └► Metrics()
//
// It only watches: the front and the library read the files themselves. Files that cannot be used
// are told once, and looked at again.
//
// Threads: one of its own, which sleeps; Metrics() from any. Lifetime: the destructor ends it.
// Bounds: the files that it was given.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/tls_files.h"

namespace cairn::adapter {

class CertificateWatch {
 public:
  // Those without any file are left out.
  explicit CertificateWatch(std::vector<TlsFiles> used);
  ~CertificateWatch();
  CertificateWatch(const CertificateWatch&) = delete;
  CertificateWatch& operator=(const CertificateWatch&) = delete;

  // cairn_agent_tls_certificate_seconds of each file; empty when there is none.
  [[nodiscard]] std::string Metrics() const;

 private:
  struct Used {
    TlsFiles files;
    std::unique_ptr<TlsFileWatch> watch;  // Null until they could be read.
    std::string trouble;                  // That was told.
  };

  void Run();
  void Look();
  static void Open(Used& used);

  std::vector<Used> used_;  // Of the own thread.
  TlsExpiryAlarm alarm_;
  mutable absl::Mutex mutex_;
  // By file: the same may serve clients and the log.
  std::map<std::string, int64_t> not_after_s_ ABSL_GUARDED_BY(mutex_);
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace cairn::adapter
