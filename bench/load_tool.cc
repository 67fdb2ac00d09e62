#include "bench/load_tool.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/output.h"

namespace cairn::bench {

void AddLoadOptions(CLI::App& app, LoadOptions& options) {
  app.add_option("--endpoints", options.endpoints, "host:port of the members, separated by commas")
      ->delimiter(',')
      ->required();
  cli::AddByteCount(app, "--size", options.load.size_bytes, "Payload (default: 128)");
  app.add_option("--in-flight", options.load.in_flight, "Unanswered operations (default: 1)")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--connections", options.load.connections,
                 "Connections (default: as many as operations in flight, at most 16)")
      ->check(CLI::Range(1, 256));
  cli::AddDuration(app, "--duration", options.load.duration_ms, "How long to measure (10s)");
  cli::AddDuration(app, "--warmup", options.load.warmup_ms, "Load before measuring (1s)");
  app.add_option("--rate", options.load.rate, "Operations per second (default: closed loop)")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--gap", options.load.gap, "Also print the longest time between two successes");
  cli::AddDuration(app, "--call-timeout", options.call_timeout_ms, "Deadline of a call (20s)");
}

std::shared_ptr<grpc::Channel> Connect(const std::string& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
}

absl::Status FromGrpc(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

int PrintReport(const cli::BenchReport& report) {
  std::printf("%s\n", cli::DumpJson(cli::ToJson(report)).c_str());
  return report.ops > 0 ? 0 : 1;
}

int RunApp(CLI::App& app, int argc, char** argv) {
  app.require_subcommand(1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return 0;
}

}  // namespace cairn::bench
