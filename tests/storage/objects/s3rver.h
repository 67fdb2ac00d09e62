// S3rver: the S3 service that npm has for tests, on a free port with a bucket `snapshots`, for as
// long as this object lives. scripts/lint takes buf from npm in the same way.
//
// It does not check signatures of version 4; sigv4_test does that against Amazon's own rules.
//
// Threads: one.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "tests/support/temp_dir.h"

namespace cairn::objects::testing {

class S3rver {
 public:
  enum class Transport { kPlain, kTls };

  // Null when npm cannot get it, or there is no npm.
  static std::unique_ptr<S3rver> Start(Transport transport);
  ~S3rver();
  S3rver(const S3rver&) = delete;
  S3rver& operator=(const S3rver&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  // With TLS: the file of its certificate, which nobody else has signed.
  [[nodiscard]] std::string certificate_file() const { return keys_.File("certificate.pem"); }

 private:
  S3rver() = default;

  cairn::testing::TempDir directory_;
  cairn::testing::TempDir keys_;
  pid_t pid_ = -1;
  std::string endpoint_;
};

}  // namespace cairn::objects::testing
