// grpc_echo: the ceiling of our RPC layer. A server that answers an Append at once, with
// nothing behind it, and the closed-loop client of `cairn bench` without the client library.
//
//   grpc_echo serve PORT                           until SIGTERM
//   grpc_echo load --endpoints 127.0.0.1:PORT --in-flight 64 …
//
// It speaks the messages of the real service through the same callback API and the same kind of
// reactors as server/rpc, so the share that the service reaches of it is what the log costs.
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <csignal>
#include <cstdio>

#include "bench/load_tool.h"
#include "cairn/v1/log.grpc.pb.h"
#include "cli/bench_fixture.h"
#include "cli/interrupt.h"
#include "cli/slot_loop.h"

namespace cairn::bench {
namespace {

class EchoService final
    : public v1::LogService::WithCallbackMethod_Append<v1::LogService::Service> {
 public:
  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* context,
                                   const v1::AppendRequest* request,
                                   v1::AppendResponse* response) override {
    response->set_first_seq(1);
    response->set_last_seq(static_cast<uint64_t>(request->records_size()));
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

int Serve(int port) {
  const cli::Interrupt interrupt;
  EchoService service;
  grpc::ServerBuilder builder;
  int bound_port = 0;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(),
                           &bound_port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || bound_port == 0) {
    std::fprintf(stderr, "grpc_echo: cannot listen on port %d\n", port);
    return 1;
  }
  interrupt.Wait(absl::InfiniteDuration());
  server->Shutdown();
  return 0;
}

// One operation under way.
struct Slot {
  v1::LogService::Stub* stub = nullptr;
  std::unique_ptr<grpc::ClientContext> context;
  v1::AppendRequest request;
  v1::AppendResponse response;
};

std::vector<Slot> MakeSlots(const LoadOptions& options,
                            const std::vector<std::unique_ptr<v1::LogService::Stub>>& stubs) {
  std::vector<Slot> slots(options.load.in_flight);
  for (size_t i = 0; i < slots.size(); ++i) {
    slots[i].stub = stubs[i % stubs.size()].get();
    slots[i].request.set_log("bench");
    slots[i].request.add_records()->set_payload(cli::MakePayload(options.load.size_bytes));
  }
  return slots;
}

int Load(const LoadOptions& options) {
  const cli::Interrupt interrupt;
  std::vector<std::unique_ptr<v1::LogService::Stub>> stubs;
  const uint64_t connections = options.load.connections != 0
                                   ? options.load.connections
                                   : std::min<uint64_t>(options.load.in_flight, 4);
  for (uint64_t i = 0; i < connections; ++i) {
    stubs.push_back(v1::LogService::NewStub(Connect(options.endpoints.front())));
  }
  std::vector<Slot> slots = MakeSlots(options, stubs);
  cli::BenchRecorder recorder(options.load, cli::NowNanos());
  cli::SlotLoop loop(options.load, slots.size(), recorder);
  loop.Run(interrupt, [&](size_t number, int64_t) {
    Slot& slot = slots[number];
    slot.context = std::make_unique<grpc::ClientContext>();
    slot.context->set_deadline(std::chrono::system_clock::now() +
                               std::chrono::milliseconds(options.call_timeout_ms));
    slot.stub->async()->Append(
        slot.context.get(), &slot.request, &slot.response,
        [&loop, number](const grpc::Status& status) { loop.Finish(number, FromGrpc(status)); });
  });
  cli::BenchReport report = recorder.Report(cli::NowNanos());
  report.bench = "echo";
  return PrintReport(report);
}

int Main(int argc, char** argv) {
  CLI::App app("The ceiling of the RPC layer: an Append that is answered at once");
  int exit_code = 0;
  int port = 0;
  LoadOptions options;
  CLI::App* const serve = app.add_subcommand("serve", "Answer on 127.0.0.1:PORT until SIGTERM");
  serve->add_option("PORT", port)->required()->check(CLI::Range(1, 65535));
  serve->callback([&] { exit_code = Serve(port); });
  CLI::App* const load = app.add_subcommand("load", "Send to a server and print one JSON object");
  AddLoadOptions(*load, options);
  load->callback([&] { exit_code = Load(options); });
  const int parsed = RunApp(app, argc, argv);
  return parsed != 0 ? parsed : exit_code;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
