#include "tests/fault/tail_watch.h"

#include <fmt/format.h>

#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/log.h"
#include "tests/integration/process_cluster.h"

namespace cairn::fault {
namespace {

constexpr int kCatchUpSeconds = 60;
constexpr absl::Duration kLookAround = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<std::unique_ptr<TailWatch>> TailWatch::Start(
    const std::vector<std::string>& endpoints, const std::string& log) {
  std::unique_ptr<TailWatch> watch(new TailWatch());
  ClientOptions options;
  options.endpoints = endpoints;
  ASSIGN_OR_RETURN(watch->client_, Client::Connect(std::move(options)));
  ASSIGN_OR_RETURN(const Log opened, watch->client_->OpenLog(log));
  for (const std::string& endpoint : endpoints) {
    auto tail = std::make_unique<Tail>();
    tail->endpoint = endpoint;
    TailerOptions tailer;
    tailer.prefer_endpoint = endpoint;
    ASSIGN_OR_RETURN(tail->tailer, Tailer::Open(opened, std::move(tailer)));
    watch->tails_.push_back(std::move(tail));
  }
  for (auto& tail : watch->tails_) {
    tail->thread = std::thread([w = watch.get(), t = tail.get()] { w->Follow(*t); });
  }
  return watch;
}

TailWatch::~TailWatch() {
  stop_ = true;
  for (auto& tail : tails_) {
    if (tail->thread.joinable()) tail->thread.join();
    tail->tailer.reset();
  }
}

void TailWatch::Follow(Tail& tail) const {
  while (!stop_) {
    const absl::StatusOr<TailEvent> event = tail.tailer->Next(kLookAround);
    if (absl::IsDeadlineExceeded(event.status())) continue;
    if (!event.ok()) {
      tail.why = std::string(event.status().message());
      tail.ended = true;
      return;
    }
    for (const RecordBatch& batch : event->batches) {
      for (const Record& record : batch.records) {
        if (record.seq.value() != tail.seen + 1) ++tail.errors;
        tail.seen = record.seq.value();
      }
    }
  }
}

TailJudgement TailWatch::Judge(Seq last) {
  TailJudgement judgement;
  for (auto& tail : tails_) {
    const bool all_seen = integration::Eventually(
        [&] { return tail->ended || tail->seen >= last.value(); }, kCatchUpSeconds);
    judgement.records += tail->seen;
    judgement.errors += tail->errors;
    if (tail->errors > 0) {
      judgement.findings.push_back(fmt::format("the tail of {} showed {} records out of order",
                                               tail->endpoint, tail->errors.load()));
    }
    if (all_seen && !tail->ended) continue;
    ++judgement.errors;
    judgement.findings.push_back(fmt::format("the tail of {} ends at seq {} of {}: {}",
                                             tail->endpoint, tail->seen.load(), last,
                                             tail->ended ? tail->why : "it shows nothing more"));
  }
  return judgement;
}

}  // namespace cairn::fault
