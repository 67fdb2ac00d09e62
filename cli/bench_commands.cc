// `cairn bench …`: the table of the family and the options that its commands share.
#include "cli/bench_commands.h"

#include "base/status_macros.h"
#include "cli/commands.h"

namespace cairn::cli {
namespace {

using Bench = absl::StatusOr<BenchReport> (*)(Session&, const BenchOptions&);

void AddCommon(CLI::App& app, BenchOptions& options) {
  app.add_option("--log", options.log, "Log to use; created if it does not exist")
      ->capture_default_str();
  app.add_option("--clients", options.clients, "Clients, each with operations of its own")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--connections", options.connections,
                 "Connections that the clients share (default: one each, at most 4)")
      ->check(CLI::Range(1, 256));
  AddDuration(app, "--duration", options.duration_ms, "How long to measure (default: 10s)");
  AddDuration(app, "--warmup", options.warmup_ms, "Load before measuring (default: 1s)");
  app.add_option("--rate", options.rate,
                 "Operations per second of all clients together (open loop: latency counts from "
                 "when an operation was due); default: closed loop")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--gap", options.gap, "Also print the longest time between two successes");
}

void AddSizeAndDepth(CLI::App& app, BenchOptions& options) {
  AddByteCount(app, "--size", options.size_bytes, "Payload of a record (default: 128)");
  app.add_option("--in-flight", options.in_flight, "Unanswered operations of each client")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
}

void AddProducer(CLI::App& app, BenchOptions& options) {
  app.add_flag("--producer", options.producer,
               "Send through a producer, which batches and pipelines; then --in-flight counts "
               "records, and 10000 is a good value");
  app.add_option("--max-request-records", options.max_request_records,
                 "With --producer: cut requests at that many records")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
}

Runner Finish(std::shared_ptr<BenchOptions> options, const char* name, Bench bench) {
  return [options, name, bench](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(BenchReport report, bench(session, *options));
    report.bench = name;
    session.out().Show(report);
    if (session.interrupt().Requested()) return ExitCode::kInterrupted;
    return report.ops > 0 ? ExitCode::kOk : ExitCode::kError;
  };
}

Runner DeclareAppend(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  AddCommon(app, *options);
  AddSizeAndDepth(app, *options);
  AddProducer(app, *options);
  return Finish(options, "append", BenchAppend);
}

Runner DeclareCas(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  AddCommon(app, *options);
  AddSizeAndDepth(app, *options);
  AddProducer(app, *options);
  app.add_option("--logs", options->logs,
                 "Logs that the clients share, LOG-0, LOG-1, … (default: one each; 1: all race)")
      ->check(CLI::Range(1, 4096));
  return Finish(options, "cas", BenchCas);
}

Runner DeclareTail(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  options->in_flight = 64;  // Enough that the rate decides, not the depth.
  AddCommon(app, *options);
  AddSizeAndDepth(app, *options);
  app.add_flag("--replay", options->replay, "Read the whole log once instead, as fast as it goes");
  return Finish(options, "tail", BenchTail);
}

Runner DeclareLease(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  options->size_bytes = 0;
  AddCommon(app, *options);
  return Finish(options, "lease", BenchLease);
}

constexpr CommandSpec kCommands[] = {
    {"append", "appends per second and their latency",
     "Appends records, one request each, or through producers (--producer). Prints throughput and "
     "percentiles; they are at most 0.8 % above the true value. With --gap it shows how long a "
     "failover interrupts appends: kill a leader while it runs.",
     "cairn bench append --in-flight 64\n"
     "cairn bench append --producer --in-flight 10000 --size 4KiB -o json\n"
     "cairn bench append --rate 2000 --in-flight 1000 --duration 30s --gap",
     DeclareAppend},
    {"cas", "compare-and-append: appends on the condition of the last seq",
     "Each client appends only if the last seq that it knows still is the last one. Lost "
     "comparisons are counted as conflicts. With --producer one writer pipelines its conditions.",
     "cairn bench cas --clients 64\n"
     "cairn bench cas --clients 8 --logs 1\n"
     "cairn bench cas --producer --in-flight 10000 --max-request-records 16",
     DeclareCas},
    {"tail", "time from append to delivery, or speed of a replay",
     "Appends at --rate (default: 1000) and measures from when each was due until a tail hands the "
     "record out; commit_p50_us is the appends' own latency, from the same moment. With --replay "
     "reads the whole log once.",
     "cairn bench tail --rate 2000\n"
     "cairn bench tail --log big --replay -o json",
     DeclareTail},
    {"lease", "renewals per second and their latency",
     "Each client acquires a lease of its own, renews it over and over, and releases it.",
     "cairn bench lease --clients 16", DeclareLease},
};

}  // namespace

std::span<const CommandSpec> BenchCommands() { return kCommands; }

}  // namespace cairn::cli
