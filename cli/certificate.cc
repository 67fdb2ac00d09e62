#include "cli/certificate.h"

#include <fmt/format.h>

namespace cairn::cli {
namespace {

constexpr int kSoonDays = 14;

}  // namespace

CertificateDates DatesOf(const X509& certificate) {
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(&certificate));
  return {.begun = X509_cmp_current_time(X509_get0_notBefore(&certificate)) <= 0,
          .days_left = days,
          .ended = days < 0 || seconds < 0};
}

void JudgeDates(const CertificateDates& dates, const std::string& subject, Findings& findings) {
  const std::string renew = "renew it and replace the files";
  if (!dates.begun) {
    findings.Fail("certificate", subject, "is not valid yet",
                  "look at this machine's clock, or use one that is valid");
  } else if (dates.ended) {
    findings.Fail("certificate", subject, fmt::format("expired {} days ago", -dates.days_left),
                  renew);
  } else if (dates.days_left < kSoonDays) {
    findings.Warn("certificate", subject, fmt::format("expires in {} days", dates.days_left),
                  renew);
  } else {
    findings.Ok("certificate", subject, fmt::format("valid for {} days", dates.days_left));
  }
}

void JudgeShown(const ShownCertificate& shown, bool with_tls, const std::string& address,
                Findings& findings) {
  if (!shown.no_tls.empty()) {
    if (!with_tls) return;  // In clear, both.
    findings.Fail("certificate", address, "no TLS is spoken there: " + shown.no_tls,
                  "start the node with --tls-cert-file and --tls-key-file, or leave out --ca-file "
                  "and its like here");
  } else if (!with_tls) {
    findings.Fail("certificate", address, "TLS is spoken there",
                  "pass --ca-file, and --certificate-file with --key-file if clients need one");
  } else if (!shown.distrust.empty()) {
    findings.Fail("certificate", address, "is not trusted here: " + shown.distrust,
                  "pass the --ca-file that has signed it; it has to name the host that is "
                  "connected to, or --server-name");
  } else {
    JudgeDates(shown.dates, address, findings);
  }
}

}  // namespace cairn::cli
