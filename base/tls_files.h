// TLS files: certificates and keys on disk, read as a whole, judged, and read again when they
// change.
//
//   files ──ReadTlsFiles──► TlsPem ──MakeTlsContext (base/tls_context.h)──► SSL_CTX
//            ▲ TlsFileWatch: again, when a file has another stamp
//
// Files that do not go together (somebody is just replacing them), cannot be read or have expired
// are not taken: what was read before stays in use, and the log says why.
//
// Threads: the functions any; a watch any, under its one leaf mutex, held while files are read.
// Bounds: a file has at most kMaxTlsFileBytes, and is a regular one: nothing here waits for a pipe.
// Errors: kInvalidArgument, worded for the operator, naming the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"

namespace cairn {

inline constexpr size_t kMaxTlsFileBytes = 1 << 20;

// Paths of PEM files. An empty one: there is none.
struct TlsFiles {
  std::string certificate;  // With the chain, its own first.
  std::string key;          // Of the certificate; not encrypted.
  std::string ca;           // Authorities that the other end is checked against.

  [[nodiscard]] bool empty() const { return certificate.empty(); }
};

// When a file's certificate ends; the earliest of those in it.
struct TlsExpiry {
  std::string file;
  int64_t not_after_s = 0;  // Since the Unix epoch.
};

// What files held at one moment; the certificate and the key fit.
struct TlsPem {
  std::string certificate;
  std::string key;
  std::string ca;
  std::vector<TlsExpiry> expiries;  // Of the certificate and of `ca`, as far as there are any.
};

// Errors: a file cannot be read, is no PEM or too large; the key does not fit the certificate, the
// certificate is not valid (yet, or any more) at `now`. Expired authorities are no error: bundles
// keep them.
absl::StatusOr<TlsPem> ReadTlsFiles(const TlsFiles& files, WallMicros now);

// "2026-11-22 09:30 UTC".
std::string TlsDate(int64_t unix_s);

class TlsFileWatch {
 public:
  // Errors: those of ReadTlsFiles.
  static absl::StatusOr<std::unique_ptr<TlsFileWatch>> Open(TlsFiles files);

  // What new connections use. Looks at the files at most once a second; the same pointer as long
  // as nothing has changed.
  [[nodiscard]] std::shared_ptr<const TlsPem> Current(MonoMicros now_us);
  [[nodiscard]] const TlsFiles& files() const { return files_; }

 private:
  explicit TlsFileWatch(TlsFiles files) : files_(std::move(files)) {}
  [[nodiscard]] std::vector<std::string> Stamps() const;

  const TlsFiles files_;
  absl::Mutex mutex_;
  std::shared_ptr<const TlsPem> pem_ ABSL_GUARDED_BY(mutex_);
  // Of the files when they were last read; without success: they are read again.
  std::vector<std::string> stamps_ ABSL_GUARDED_BY(mutex_);
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  MonoMicros looked_us_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Says in the log, once each, that a certificate ends within 14 days, within 3, and that it has
// ended. By one thread.
class TlsExpiryAlarm {
 public:
  void Look(const std::vector<TlsExpiry>& expiries, WallMicros now);

 private:
  struct Told {
    TlsExpiry expiry;
    int level = 0;  // 0: nothing; 3: it has ended.
  };
  std::vector<Told> told_;
};

}  // namespace cairn
