// Seam of the C interface: statuses become cairn_status, and nothing is thrown past it.
#pragma once

#include <exception>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "cairn/cairn.h"

namespace cairn::c {

// Says `status` in `out`, which may be null, and returns its code.
cairn_code Fill(const absl::Status& status, cairn_status* out);
// The same for a text that is there already: allocates nothing.
cairn_code FillPlain(cairn_code code, const char* message, cairn_status* out) noexcept;

// Runs `body`, which returns an absl::Status, as one call of a program.
template <class Body>
cairn_code Run(cairn_status* out, Body&& body) noexcept {
  try {
    return Fill(std::forward<Body>(body)(), out);
  } catch (const std::bad_alloc&) {
    return FillPlain(CAIRN_RESOURCE_EXHAUSTED, "no memory; nothing was begun", out);
  } catch (const std::exception& error) {
    return FillPlain(CAIRN_INTERNAL, error.what(), out);
  }
}

}  // namespace cairn::c
