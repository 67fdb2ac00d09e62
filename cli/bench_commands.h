// The bench commands, one source file each.
#pragma once

#include "absl/status/statusor.h"
#include "cli/bench_fixture.h"
#include "cli/bench_options.h"
#include "cli/session.h"

namespace cairn::cli {

absl::StatusOr<BenchReport> BenchAppend(Session& session, const BenchOptions& options);
// `conditional`: each request names the last seq that its predecessor must have produced.
absl::StatusOr<BenchReport> BenchProducer(Session& session, const BenchOptions& options,
                                          bool conditional);
absl::StatusOr<BenchReport> BenchCas(Session& session, const BenchOptions& options);
absl::StatusOr<BenchReport> BenchTail(Session& session, const BenchOptions& options);
absl::StatusOr<BenchReport> BenchReplay(Session& session, const BenchOptions& options);
absl::StatusOr<BenchReport> BenchLease(Session& session, const BenchOptions& options);

}  // namespace cairn::cli
