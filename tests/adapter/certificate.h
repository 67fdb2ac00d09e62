// NewCertificate: a key and a certificate for 127.0.0.1, signed by itself.
//
// Threads: any.
#pragma once

#include <string>

namespace cairn::adapter::testing {

struct Certificate {
  std::string key_pem;
  std::string certificate_pem;
};

// Valid since an hour ago, for so long from now on.
Certificate NewCertificate(long valid_seconds = 3600);

}  // namespace cairn::adapter::testing
