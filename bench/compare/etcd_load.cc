// etcd_load: the load of `cairn bench` on etcd's gRPC API, for comparisons.
//
//   etcd_load put    --endpoints EPS --in-flight 64 …   puts under random keys out of 100,000
//   etcd_load cas    --endpoints EPS --in-flight 64 …   each operation in flight owns a key and
//                    puts it if nobody has since its last put: the nearest thing to a
//                    conditional append
//   etcd_load leader --endpoints EPS                    prints the endpoint that leads
//
// Calls go to the leader; one that fails moves on to the next endpoint, as a client that wants
// to get through does. With --gap and a short --call-timeout the report says how long nobody
// got through.
#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdio>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "bench/compare/etcd.grpc.pb.h"
#include "bench/load_tool.h"
#include "cli/bench_fixture.h"
#include "cli/interrupt.h"
#include "cli/slot_loop.h"

namespace cairn::bench {
namespace {

constexpr uint64_t kKeys = 100'000;
constexpr uint64_t kMaxDefaultConnections = 16;

using etcdserverpb::KV;

std::chrono::system_clock::time_point In(uint64_t milliseconds) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(milliseconds);
}

// Index of the endpoint that leads. Errors: kUnavailable while there is none.
absl::StatusOr<size_t> FindLeader(const std::vector<std::string>& endpoints) {
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const auto stub = etcdserverpb::Maintenance::NewStub(Connect(endpoints[i]));
    grpc::ClientContext context;
    context.set_deadline(In(2000));
    etcdserverpb::StatusResponse response;
    if (!stub->Status(&context, {}, &response).ok()) continue;
    if (response.leader() != 0 && response.leader() == response.header().member_id()) return i;
  }
  return absl::UnavailableError("no endpoint leads");
}

// One operation under way, and its place among connections and endpoints.
struct Slot {
  size_t connection = 0;
  size_t endpoint = 0;
  Random random{0};
  std::unique_ptr<grpc::ClientContext> context;
  etcdserverpb::PutRequest put;
  etcdserverpb::PutResponse put_response;
  etcdserverpb::TxnRequest txn;
  etcdserverpb::TxnResponse txn_response;
};

class EtcdLoad {
 public:
  explicit EtcdLoad(const LoadOptions& options) : options_(options) {}

  absl::Status Open(bool cas) {
    ASSIGN_OR_RETURN(const size_t leader, FindLeader(options_.endpoints));
    uint64_t connections = options_.load.connections;
    if (connections == 0) connections = std::min(options_.load.in_flight, kMaxDefaultConnections);
    stubs_.resize(connections);
    for (auto& endpoints : stubs_) {
      for (const std::string& endpoint : options_.endpoints) {
        endpoints.push_back(KV::NewStub(Connect(endpoint)));
      }
    }
    slots_.resize(options_.load.in_flight);
    for (size_t i = 0; i < slots_.size(); ++i) {
      slots_[i].connection = i % connections;
      slots_[i].endpoint = leader;
      slots_[i].random = Random(i + 1);
      slots_[i].put.set_value(cli::MakePayload(options_.load.size_bytes));
      if (cas) RETURN_IF_ERROR(PrepareTxn(slots_[i], "cas" + std::to_string(i)));
    }
    return absl::OkStatus();
  }

  cli::BenchReport Run(bool cas) {
    const cli::Interrupt interrupt;
    cli::BenchRecorder recorder(options_.load, cli::NowNanos());
    cli::SlotLoop loop(options_.load, slots_.size(), recorder);
    loop.Run(interrupt, [&](size_t number, int64_t) {
      cas ? StartTxn(loop, number) : StartPut(loop, number);
    });
    return recorder.Report(cli::NowNanos());
  }

 private:
  KV::Stub& StubOf(const Slot& slot) { return *stubs_[slot.connection][slot.endpoint]; }

  // Puts the slot's key once, to learn its revision.
  absl::Status PrepareTxn(Slot& slot, const std::string& key) {
    slot.put.set_key(key);
    Renew(slot);
    const grpc::Status status = StubOf(slot).Put(slot.context.get(), slot.put, &slot.put_response);
    if (!status.ok()) return FromGrpc(status);
    etcdserverpb::Compare* const compare = slot.txn.add_compare();
    compare->set_target(etcdserverpb::Compare::MOD);
    compare->set_key(key);
    compare->set_mod_revision(slot.put_response.header().revision());
    *slot.txn.add_success()->mutable_request_put() = slot.put;
    return absl::OkStatus();
  }

  void StartPut(cli::SlotLoop& loop, size_t number) {
    Slot& slot = slots_[number];
    slot.put.set_key("k" + std::to_string(slot.random.Next() % kKeys));
    Renew(slot);
    StubOf(slot).async()->Put(slot.context.get(), &slot.put, &slot.put_response,
                              [this, &loop, number](const grpc::Status& status) {
                                Finish(loop, number, FromGrpc(status));
                              });
  }

  void StartTxn(cli::SlotLoop& loop, size_t number) {
    Slot& slot = slots_[number];
    Renew(slot);
    StubOf(slot).async()->Txn(
        slot.context.get(), &slot.txn, &slot.txn_response,
        [this, &loop, number](const grpc::Status& status) {
          const etcdserverpb::TxnResponse& response = slots_[number].txn_response;
          absl::Status result = FromGrpc(status);
          if (result.ok() && !response.succeeded()) result = absl::AbortedError("lost comparison");
          if (result.ok()) {
            slots_[number].txn.mutable_compare(0)->set_mod_revision(response.header().revision());
          }
          Finish(loop, number, result);
        });
  }

  void Finish(cli::SlotLoop& loop, size_t number, const absl::Status& status) {
    Slot& slot = slots_[number];
    if (!status.ok()) slot.endpoint = (slot.endpoint + 1) % options_.endpoints.size();
    loop.Finish(number, status);
  }

  void Renew(Slot& slot) const {
    slot.context = std::make_unique<grpc::ClientContext>();
    slot.context->set_deadline(In(options_.call_timeout_ms));
  }

  const LoadOptions options_;
  std::vector<std::vector<std::unique_ptr<KV::Stub>>> stubs_;  // By connection, by endpoint.
  std::vector<Slot> slots_;
};

int RunLoad(const LoadOptions& options, const char* name, bool cas) {
  EtcdLoad load(options);
  if (const absl::Status status = load.Open(cas); !status.ok()) {
    std::fprintf(stderr, "etcd_load: %s\n", std::string(ToStd(status.message())).c_str());
    return 1;
  }
  cli::BenchReport report = load.Run(cas);
  report.bench = name;
  return PrintReport(report);
}

int PrintLeader(const LoadOptions& options) {
  const absl::StatusOr<size_t> leader = FindLeader(options.endpoints);
  if (!leader.ok()) return 1;
  std::printf("%s\n", options.endpoints[*leader].c_str());
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Load on etcd, measured as `cairn bench` measures");
  int exit_code = 0;
  LoadOptions options;
  const auto add = [&](const char* name, const char* summary, auto run) {
    CLI::App* const command = app.add_subcommand(name, summary);
    AddLoadOptions(*command, options);
    command->callback([&exit_code, run] { exit_code = run(); });
  };
  add("put", "Puts under random keys", [&] { return RunLoad(options, "etcd put", false); });
  add("cas", "Compare-and-put, a key for each operation in flight",
      [&] { return RunLoad(options, "etcd cas", true); });
  add("leader", "Print the endpoint that leads", [&] { return PrintLeader(options); });
  const int parsed = RunApp(app, argc, argv);
  return parsed != 0 ? parsed : exit_code;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
