// NewCertificate: a key and a certificate for 127.0.0.1, signed by itself. CertificateFiles: such a
// pair in files, which is its own authority.
//
// Threads: any.
#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace cairn::adapter::testing {

struct Certificate {
  std::string key_pem;
  std::string certificate_pem;
};

// Valid since an hour ago, for so long from now on.
Certificate NewCertificate(long valid_seconds = 3600);

class CertificateFiles {
 public:
  explicit CertificateFiles(const std::string& name);
  // Another pair, in the same files.
  void Renew();

 private:
  cairn::testing::TempDir dir_;

 public:
  const std::string certificate;
  const std::string key;
};

}  // namespace cairn::adapter::testing
