#include "base/tls_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/x509.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <utility>

#include "base/fd.h"
#include "base/file_stamp.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/tls_context.h"

namespace cairn {
namespace {

constexpr int64_t kLookEveryUs = kMicrosPerSecond;
constexpr int64_t kSecondsPerDay = 24 * 3600;
// Time left, in seconds, at which the log says so: of levels 1, 2 and 3.
constexpr int64_t kAlarmAtS[] = {14 * kSecondsPerDay, 3 * kSecondsPerDay, 0};

absl::Status Invalid(const std::string& message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

absl::Status CannotRead(const std::string& path, const std::string& why) {
  return Invalid(fmt::format("{} cannot be read: {}", path, why));
}

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  if (path.empty()) return std::string();
  // O_NONBLOCK: to open a pipe would wait for who writes to it.
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return CannotRead(path, strerror(errno));
  struct stat about {};
  if (fstat(file.get(), &about) != 0) return CannotRead(path, strerror(errno));
  if (!S_ISREG(about.st_mode)) return CannotRead(path, "it is no regular file");
  std::string bytes(kMaxTlsFileBytes + 1, '\0');
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = read(file.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno != EINTR) return CannotRead(path, strerror(errno));
    if (got == 0) break;
    if (got > 0) size += static_cast<size_t>(got);
  }
  if (size > kMaxTlsFileBytes) return CannotRead(path, "expected at most 1 MiB");
  bytes.resize(size);
  return bytes;
}

int64_t UnixSeconds(const ASN1_TIME* time) {
  std::tm parts{};
  // A date that does not parse is none that has passed.
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::numeric_limits<int64_t>::max();
  return timegm(&parts);
}

absl::StatusOr<TlsExpiry> FirstExpiry(const std::string& path, const std::string& pem) {
  const std::vector<TlsCertificate> all = ParseCertificates(pem);
  if (all.empty()) {
    return Invalid(fmt::format("{} holds no certificate: expected PEM, BEGIN CERTIFICATE", path));
  }
  TlsExpiry expiry{path, std::numeric_limits<int64_t>::max()};
  for (const TlsCertificate& one : all) {
    expiry.not_after_s = std::min(expiry.not_after_s, UnixSeconds(X509_get0_notAfter(one.get())));
  }
  return expiry;
}

absl::Status CheckDates(const std::string& path, const std::string& pem, WallMicros now) {
  const int64_t now_s = now / kMicrosPerSecond;
  for (const TlsCertificate& one : ParseCertificates(pem)) {
    const int64_t end_s = UnixSeconds(X509_get0_notAfter(one.get()));
    const int64_t begin_s = UnixSeconds(X509_get0_notBefore(one.get()));
    if (end_s <= now_s) {
      return Invalid(
          fmt::format("the certificate {} expired on {}: renew it", path, TlsDate(end_s)));
    }
    if (begin_s > now_s) {
      return Invalid(
          fmt::format("the certificate {} is valid only from {}: check this host's clock", path,
                      TlsDate(begin_s)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string TlsDate(int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return "a date out of range";
  char text[64];
  return {text, strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts)};
}

absl::StatusOr<TlsPem> ReadTlsFiles(const TlsFiles& files, WallMicros now) {
  TlsPem pem;
  ASSIGN_OR_RETURN(pem.certificate, ReadPem(files.certificate));
  ASSIGN_OR_RETURN(pem.key, ReadPem(files.key));
  ASSIGN_OR_RETURN(pem.ca, ReadPem(files.ca));
  for (const auto& [path, text] :
       {std::pair(&files.certificate, &pem.certificate), std::pair(&files.ca, &pem.ca)}) {
    if (path->empty()) continue;
    ASSIGN_OR_RETURN(TlsExpiry expiry, FirstExpiry(*path, *text));
    pem.expiries.push_back(std::move(expiry));
  }
  if (!files.certificate.empty()) {
    RETURN_IF_ERROR(CheckDates(files.certificate, pem.certificate, now));
  }
  RETURN_IF_ERROR(CheckPair(files, pem));
  return pem;
}

// ---- TlsFileWatch -----------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<TlsFileWatch>> TlsFileWatch::Open(TlsFiles files) {
  std::unique_ptr<TlsFileWatch> watch(new TlsFileWatch(std::move(files)));
  // The stamps first: what changes meanwhile is read again.
  std::vector<std::string> stamps = watch->Stamps();
  ASSIGN_OR_RETURN(TlsPem pem, ReadTlsFiles(watch->files_, SystemClock().Wall()));
  absl::MutexLock lock(&watch->mutex_);
  watch->stamps_ = std::move(stamps);
  watch->pem_ = std::make_shared<const TlsPem>(std::move(pem));
  return watch;
}

std::vector<std::string> TlsFileWatch::Stamps() const {
  return {FileStamp(files_.certificate), FileStamp(files_.key), FileStamp(files_.ca)};
}

std::shared_ptr<const TlsPem> TlsFileWatch::Current(MonoMicros now_us) {
  absl::MutexLock lock(&mutex_);
  if (now_us - looked_us_ < kLookEveryUs) return pem_;
  looked_us_ = now_us;
  std::vector<std::string> stamps = Stamps();
  const bool changed = stamps != stamps_;
  if (!changed && !failed_) return pem_;
  stamps_ = std::move(stamps);
  absl::StatusOr<TlsPem> pem = ReadTlsFiles(files_, SystemClock().Wall());
  failed_ = !pem.ok();
  if (pem.ok()) {
    pem_ = std::make_shared<const TlsPem>(*std::move(pem));
    spdlog::info("new connections use the changed {}",
                 files_.empty() ? files_.ca : files_.certificate);
  } else if (changed) {
    spdlog::warn("changed files for TLS are not used, those before stay in use: {}",
                 ToStd(pem.status().message()));
  }
  return pem_;
}

// ---- TlsExpiryAlarm ---------------------------------------------------------------------------

void TlsExpiryAlarm::Look(const std::vector<TlsExpiry>& expiries, WallMicros now) {
  std::vector<Told> told;
  for (const TlsExpiry& expiry : expiries) {
    const auto before = std::find_if(told_.begin(), told_.end(), [&](const Told& one) {
      return one.expiry.file == expiry.file && one.expiry.not_after_s == expiry.not_after_s;
    });
    const int was = before == told_.end() ? 0 : before->level;
    const int64_t left_s = expiry.not_after_s - now / kMicrosPerSecond;
    const auto level = static_cast<int>(std::count_if(std::begin(kAlarmAtS), std::end(kAlarmAtS),
                                                      [&](int64_t at) { return left_s <= at; }));
    if (level > was) {
      spdlog::log(level == 1 ? spdlog::level::warn : spdlog::level::err,
                  "the certificate {} {} on {}: replace the file, it is read again by itself",
                  expiry.file, left_s > 0 ? "expires" : "expired", TlsDate(expiry.not_after_s));
    }
    told.push_back({expiry, std::max(level, was)});
  }
  told_ = std::move(told);
}

}  // namespace cairn
