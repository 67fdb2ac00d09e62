#include "tests/adapter/memcache/writer_lab.h"

#include <fmt/format.h>

#include <utility>

#include "adapter/memcache/record_reader.h"
#include "base/check.h"
#include "tests/adapter/memcache/effect_log.h"

namespace cairn::adapter::memcache {
namespace {

// A commit on this machine, and some more.
constexpr absl::Duration kLeaseTtl = absl::Minutes(5);
constexpr MonoMicros kForEver = MonoMicros{1} << 60;

}  // namespace

WriterLab::WriterLab(WriterLabOptions options) : engine_(options.engine) {
  look_ = engine_.Connect();
  cluster_.Create("cache");
  client_ = *Client::Connect({.endpoints = {cluster_[0].address()}});
  log_ = *client_->OpenLog("cache");
  Writer::Options writer;
  writer.mode = options.mode;
  if (options.looks_up) {
    writer.look_up = [this](std::vector<std::string> keys, Seq) { return LookUp(std::move(keys)); };
  }
  writer_ = std::make_unique<Writer>(
      io_.get_executor(), *log_, std::move(writer), &SystemClock(),
      [this](size_t, std::vector<WriteReply> replies) {
        CHECK_EQ(replies.size(), 1u);
        CHECK(!replies.front().returned);
        reply_ = std::move(replies.front().bytes);
      },
      this);
  Open();
}

WriterLab::~WriterLab() {
  bool stopped = false;
  Spawn(io_.get_executor(), [](Writer* writer, bool* done) -> asio::awaitable<void> {
    (void)co_await writer->Stop();
    *done = true;
  }(writer_.get(), &stopped));
  RunUntil([&] { return stopped; });
  writer_.reset();
}

void WriterLab::Open() {
  Writer::Reign reign;
  reign.epoch = *log_->AcquireLease("primary", "lab", kLeaseTtl);
  reign.from = {"lab-1", StreamOffset(1)};
  reign.engine.unix_path = engine_.socket();
  look_->Send("stats\r\n");
  reign.rules.clock = *ReadClock(look_->ReadReply(ReplyKind::kStats));
  reign.rules.tokens = CasTokens(reign.epoch.value(), 0);
  reign.lease = std::make_shared<LeaseGuard>(&SystemClock());
  reign.lease->SetSafeUntil(kForEver);
  std::optional<Attachment> how;
  Spawn(io_.get_executor(),
        [](Writer* writer, Writer::Reign of,
           std::optional<Attachment>* told) -> asio::awaitable<void> {
          *told = co_await writer->Open(std::move(of));
        }(writer_.get(), std::move(reign), &how));
  RunUntil([&] { return how.has_value(); });
  CHECK(how == Attachment::kContinued);
}

void WriterLab::RunUntil(const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    CHECK(std::chrono::steady_clock::now() < give_up);
    io_.restart();
    io_.run_one_for(std::chrono::milliseconds(10));
  }
}

void WriterLab::OnWriterFailed(PublisherTrouble, const absl::Status& status) {
  CHECK_EQ(status, absl::OkStatus());
}

std::string WriterLab::Do(const std::string& bytes) {
  const RequestParser::Result parsed = RequestParser().Parse(bytes);
  CHECK(parsed.outcome == RequestParser::Outcome::kRequest);
  reply_.reset();
  std::vector<WriteRequest> requests;
  requests.push_back({OwnedRequest(parsed.request, bytes), {}});
  writer_->Submit(std::move(requests));
  RunUntil([this] { return reply_.has_value(); });
  return *std::exchange(reply_, std::nullopt);
}

void WriterLab::FillEngine() {
  constexpr int kBatch = 100;  // Whose replies a socket holds.
  bool full = false;
  for (int first = 0; !full; first += kBatch) {
    std::string batch;
    for (int i = 0; i < kBatch; ++i) batch += fmt::format("set x{} 0 0 1\r\n1\r\n", first + i);
    look_->Send(batch);
    for (int i = 0; i < kBatch; ++i) full |= look_->ReadReply(ReplyKind::kLine) != "STORED\r\n";
  }
}

std::optional<std::string> WriterLab::InEngine(const std::string& key) {
  look_->Send(fmt::format("mg {} v\r\n", key));
  const std::string reply = look_->ReadReply(ReplyKind::kMeta);
  if (!reply.starts_with("VA ")) return std::nullopt;
  const size_t line = reply.find("\r\n") + 2;
  return reply.substr(line, reply.size() - line - 2);
}

std::optional<std::string> WriterLab::InLog(const std::string& key) {
  RunUntil([this] { return writer_->in_flight_bytes() == 0; });
  const std::map<std::string, Item> items = Fold();
  const auto item = items.find(key);
  return item == items.end() ? std::nullopt : std::optional(item->second.value);
}

std::map<std::string, Item> WriterLab::Fold() {
  const auto batches = log_->ReadAll({.linearizable = true});
  CHECK_EQ(batches.status(), absl::OkStatus());
  ItemModel model;
  RecordReader reader({}, {});
  for (const RecordBatch& batch : *batches) {
    for (const Record& record : batch.records) {
      CHECK_EQ(reader.Next(record, [&](const EffectView& effect,
                                       EffectId id) { model.Apply(ToEffect(effect), id); }),
               absl::OkStatus());
    }
  }
  std::map<std::string, Item> items;
  for (const auto& [key, item] : model.LiveAt(SystemClock().Wall() / kMicrosPerSecond)) {
    items.emplace(key, item.item);
  }
  return items;
}

asio::awaitable<absl::StatusOr<HeldItems>> WriterLab::LookUp(std::vector<std::string> keys) {
  if (view_broken_) co_return absl::DataLossError("the view is broken");
  const std::map<std::string, Item> items = Fold();
  HeldItems held;
  for (const std::string& key : keys) {
    held.emplace_back();
    const auto item = items.find(key);
    if (item != items.end()) held.back() = HeldItem{item->second, false, CasTokens::kUnnumbered};
  }
  co_return held;
}

}  // namespace cairn::adapter::memcache
