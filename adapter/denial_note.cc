#include "adapter/denial_note.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter {

void DenialNote::Note(const char* what, const absl::Status& status) {
  if (status.ok()) return said_.clear();
  const Reason reason = GetReason(status);
  if (reason != Reason::kPermissionDenied && reason != Reason::kUnauthenticated) return;
  std::string sentence(status.message());
  if (sentence == said_) return;
  spdlog::warn("{}: {}", what, sentence);
  said_ = std::move(sentence);
}

}  // namespace cairn::adapter
