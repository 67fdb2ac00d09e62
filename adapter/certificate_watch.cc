#include "adapter/certificate_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "absl/time/time.h"
#include "adapter/metrics_text.h"
#include "base/clock.h"

namespace cairn::adapter {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(1);

}  // namespace

CertificateWatch::CertificateWatch(std::vector<TlsFiles> used) {
  for (TlsFiles& files : used) {
    if (files.empty() && files.ca.empty()) continue;
    used_.push_back({.files = std::move(files), .watch = nullptr, .trouble = ""});
  }
  if (used_.empty()) return;
  Look();
  thread_ = std::thread([this] { Run(); });
}

CertificateWatch::~CertificateWatch() {
  stop_.Notify();
  if (thread_.joinable()) thread_.join();
}

void CertificateWatch::Run() {
  while (!stop_.WaitForNotificationWithTimeout(kLookEvery)) Look();
}

void CertificateWatch::Open(Used& used) {
  absl::StatusOr<std::unique_ptr<TlsFileWatch>> opened = TlsFileWatch::Open(used.files);
  if (opened.ok()) {
    used.watch = *std::move(opened);
    return;
  }
  std::string trouble(opened.status().message());
  if (trouble == used.trouble) return;
  spdlog::error("files for TLS cannot be used: {}", trouble);
  used.trouble = std::move(trouble);
}

void CertificateWatch::Look() {
  std::map<std::string, int64_t> ends;
  for (Used& used : used_) {
    if (used.watch == nullptr) Open(used);
    if (used.watch == nullptr) continue;
    for (const TlsExpiry& one : used.watch->Current(SystemClock().Mono())->expiries) {
      ends.insert_or_assign(one.file, one.not_after_s);
    }
  }
  std::vector<TlsExpiry> expiries;
  for (const auto& [file, not_after_s] : ends) expiries.push_back({file, not_after_s});
  alarm_.Look(expiries, SystemClock().Wall());
  absl::MutexLock lock(&mutex_);
  not_after_s_ = std::move(ends);
}

std::string CertificateWatch::Metrics() const {
  const int64_t now_s = SystemClock().Wall() / kMicrosPerSecond;
  absl::MutexLock lock(&mutex_);
  if (not_after_s_.empty()) return "";
  MetricsPage page;
  page.Head("tls_certificate_seconds", "gauge",
            "Until the certificate in the file ends; negative: it has.");
  for (const auto& [file, not_after_s] : not_after_s_) {
    page.Append(fmt::format("cairn_agent_tls_certificate_seconds{{file=\"{}\"}} {}\n", file,
                            not_after_s - now_s));
  }
  return page.Take();
}

}  // namespace cairn::adapter
