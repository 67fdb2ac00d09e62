// What the load programs of bench/ share: options, report and messages are those of `cairn
// bench`, and so are the loop and the recorder (cli/slot_loop.h, cli/bench_recorder.h), so that
// what differs between two figures is the server and not the way of measuring.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/bench_options.h"

namespace cairn::bench {

struct LoadOptions {
  std::vector<std::string> endpoints;  // "host:port"
  cli::BenchOptions load;
  uint64_t call_timeout_ms = 20'000;
};

// Declares --endpoints, --size, --in-flight, --connections, --duration, --warmup, --rate, --gap
// and --call-timeout.
void AddLoadOptions(CLI::App& app, LoadOptions& options);

// A connection of its own to `endpoint`, which tries again at once when it is refused, as the
// client library of Cairn does.
std::shared_ptr<grpc::Channel> Connect(const std::string& endpoint);

absl::Status FromGrpc(const grpc::Status& status);

// Prints one line of JSON, as `cairn bench … -o json` does; the exit code of the program.
int PrintReport(const cli::BenchReport& report);

// Runs `app` on the command line; the exit code of the program.
int RunApp(CLI::App& app, int argc, char** argv);

}  // namespace cairn::bench
