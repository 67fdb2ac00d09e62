// The certificate of a node, as OpenSSL reads it.
#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "cli/local_checks.h"

namespace cairn::cli {
namespace {

constexpr int kSoonDays = 14;

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using FilePtr = std::unique_ptr<FILE, Freer<std::fclose>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

constexpr char kReplace[] = "put a certificate and its key (both PEM) into the files of --tls-…";

CertificatePtr ReadCertificate(const std::string& path) {
  const FilePtr file(std::fopen(path.c_str(), "re"));
  return CertificatePtr(file ? PEM_read_X509(file.get(), nullptr, nullptr, nullptr) : nullptr);
}

KeyPtr ReadKey(const std::string& path) {
  const FilePtr file(std::fopen(path.c_str(), "re"));
  return KeyPtr(file ? PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr) : nullptr);
}

void CheckDates(const X509& certificate, const std::string& path, Findings& findings) {
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(&certificate));
  const std::string renew = "renew it and replace the files";
  if (X509_cmp_current_time(X509_get0_notBefore(&certificate)) > 0) {
    findings.Fail("certificate", path, "is not valid yet",
                  "look at this machine's clock, or use one that is valid");
  } else if (days < 0 || seconds < 0) {
    findings.Fail("certificate", path, fmt::format("expired {} days ago", -days), renew);
  } else if (days < kSoonDays) {
    findings.Warn("certificate", path, fmt::format("expires in {} days", days), renew);
  } else {
    findings.Ok("certificate", path, fmt::format("valid for {} days", days));
  }
}

}  // namespace

void CheckCertificate(const std::string& cert_file, const std::string& key_file,
                      Findings& findings) {
  const CertificatePtr certificate = ReadCertificate(cert_file);
  if (!certificate) {
    return findings.Fail("certificate", cert_file, "no certificate can be read from it", kReplace);
  }
  CheckDates(*certificate, cert_file, findings);
  const KeyPtr key = ReadKey(key_file);
  if (!key) {
    findings.Fail("key", key_file, "no private key can be read from it", kReplace);
  } else if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    findings.Fail("key", key_file, "is not the key of " + cert_file, kReplace);
  } else {
    findings.Ok("key", key_file, "belongs to the certificate");
  }
}

}  // namespace cairn::cli
