// RETURN_IF_ERROR, ASSIGN_OR_RETURN and Annotate for absl::Status, which this
// release of abseil has none of.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"

namespace cairn {

// The same code and payloads, with `context: ` put before the message. OK stays OK.
inline absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(),
                         std::string(context) + ": " + std::string(status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

}  // namespace cairn

#define CAIRN_CONCAT_INNER(a, b) a##b
#define CAIRN_CONCAT(a, b) CAIRN_CONCAT_INNER(a, b)
#define CAIRN_RETURN_IF_ERROR(var, expr)                  \
  do {                                                    \
    if (absl::Status var = (expr); !var.ok()) return var; \
  } while (false)
// The variable is named by its line, so that a lambda within `expr` may use the macro, too.
#define RETURN_IF_ERROR(expr) CAIRN_RETURN_IF_ERROR(CAIRN_CONCAT(cairn_status_, __LINE__), expr)

#define CAIRN_ASSIGN_OR_RETURN(var, lhs, expr)   \
  auto var = (expr);                             \
  if (!var.ok()) return std::move(var).status(); \
  lhs = std::move(var).value()
#define ASSIGN_OR_RETURN(lhs, expr) \
  CAIRN_ASSIGN_OR_RETURN(CAIRN_CONCAT(cairn_statusor_, __LINE__), lhs, expr)
