// NewCertificate: a key and a certificate for 127.0.0.1, signed by itself, for an hour.
//
// Threads: any.
#pragma once

#include <string>

namespace cairn::adapter::testing {

struct Certificate {
  std::string key_pem;
  std::string certificate_pem;
};

Certificate NewCertificate();

}  // namespace cairn::adapter::testing
