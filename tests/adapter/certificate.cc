#include "tests/adapter/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <functional>
#include <memory>

#include "base/check.h"

namespace cairn::adapter::testing {
namespace {

constexpr long kValidSinceSeconds = 3600;

std::string Pem(const std::function<int(BIO*)>& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
  CHECK_EQ(write(memory.get()), 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

void AddExtension(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  CHECK(extension != nullptr);
  CHECK_EQ(X509_add_ext(certificate, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

}  // namespace

Certificate NewCertificate(long valid_seconds) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  CHECK(key != nullptr && certificate != nullptr);
  X509* const x509 = certificate.get();
  CHECK_EQ(X509_set_version(x509, 2), 1);
  CHECK_EQ(ASN1_INTEGER_set(X509_get_serialNumber(x509), 1), 1);
  CHECK(X509_gmtime_adj(X509_getm_notBefore(x509), -kValidSinceSeconds) != nullptr);
  CHECK(X509_gmtime_adj(X509_getm_notAfter(x509), valid_seconds) != nullptr);
  CHECK_EQ(X509_set_pubkey(x509, key.get()), 1);
  X509_NAME* const name = X509_get_subject_name(x509);
  CHECK_EQ(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      reinterpret_cast<const unsigned char*>("test"), -1, -1, 0),
           1);
  CHECK_EQ(X509_set_issuer_name(x509, name), 1);
  AddExtension(x509, NID_subject_alt_name, "IP:127.0.0.1");
  AddExtension(x509, NID_basic_constraints, "critical,CA:TRUE");
  CHECK_GT(X509_sign(x509, key.get(), EVP_sha256()), 0);
  return {Pem([&](BIO* to) {
            return PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          }),
          Pem([&](BIO* to) { return PEM_write_bio_X509(to, x509); })};
}

CertificateFiles::CertificateFiles(const std::string& name)
    : certificate(dir_.File(name + ".crt")), key(dir_.File(name + ".key")) {
  Renew();
}

void CertificateFiles::Renew() {
  const Certificate made = NewCertificate();
  std::ofstream(certificate, std::ios::trunc) << made.certificate_pem;
  std::ofstream(key, std::ios::trunc) << made.key_pem;
}

}  // namespace cairn::adapter::testing
