// The certificate of a node, as OpenSSL reads it.
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>

#include "base/tls_context.h"
#include "cli/certificate.h"
#include "cli/local_checks.h"

namespace cairn::cli {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using FilePtr = std::unique_ptr<FILE, Freer<std::fclose>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

constexpr char kReplace[] = "put a certificate and its key (both PEM) into the files of --tls-…";

TlsCertificate ReadCertificate(const std::string& path) {
  const FilePtr file(std::fopen(path.c_str(), "re"));
  return TlsCertificate(file ? PEM_read_X509(file.get(), nullptr, nullptr, nullptr) : nullptr);
}

KeyPtr ReadKey(const std::string& path) {
  const FilePtr file(std::fopen(path.c_str(), "re"));
  return KeyPtr(file ? PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr) : nullptr);
}

}  // namespace

void CheckCertificate(const std::string& cert_file, const std::string& key_file,
                      Findings& findings) {
  const TlsCertificate certificate = ReadCertificate(cert_file);
  if (!certificate) {
    return findings.Fail("certificate", cert_file, "no certificate can be read from it", kReplace);
  }
  JudgeDates(DatesOf(*certificate), cert_file, findings);
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
