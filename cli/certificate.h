// Certificates as `cairn doctor` looks at them: in a file, or as a node shows it in a handshake.
//
// What is found is judged by itself, so that the judgement can be tested without either.
#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cairn/client.h"
#include "cli/findings.h"

namespace cairn::cli {

struct CertificateDates {
  bool begun = false;
  int days_left = 0;
  bool ended = false;  // `days_left` counts the days since then, as a negative number or 0.
};

CertificateDates DatesOf(const X509& certificate);
void JudgeDates(const CertificateDates& dates, const std::string& subject, Findings& findings);

// What came of a handshake with whoever listens at an address.
struct ShownCertificate {
  std::string no_tls;  // Why no certificate was seen; else empty.
  CertificateDates dates;
  // Why this client does not believe that it is that host's, in OpenSSL's words; empty: it does.
  // Its dates are no reason.
  std::string distrust;
};

// Connects to `address`, "host:port", and looks at the certificate with the eyes of `options`, also
// if these do not ask for TLS. nullopt: nobody listens there. Blocks for `timeout` at most.
std::optional<ShownCertificate> LookAtCertificate(const std::string& address,
                                                  const TlsOptions& options,
                                                  absl::Duration timeout);
// `with_tls`: whether this client speaks TLS.
void JudgeShown(const ShownCertificate& shown, bool with_tls, const std::string& address,
                Findings& findings);

}  // namespace cairn::cli
