// Group: the chain at a seq, which is looked up in the store when neither the state nor the
// segments know it.
//
// At most two reads for each: the entry that holds the seq, and if it goes on behind it the one
// before, whose chain that of the seq follows from.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "server/group_impl.h"

namespace cairn::server {
namespace {

// At which seq. Requires: AsksForChain(body).
Seq ChainSeqOf(const RequestBody& body, Seq last_seq) {
  if (const auto* get = std::get_if<GetChainOp>(&body)) return get->seq.value_or(last_seq);
  return std::get<RegisterSnapshotOp>(body).seq;
}

}  // namespace

bool AsksForChain(const RequestBody& body) {
  return std::holds_alternative<RegisterSnapshotOp>(body) ||
         std::holds_alternative<GetChainOp>(body);
}

void Group::Impl::CheckChainsOfWaiting(Effects& effects) {
  std::deque<Waiting> others;
  for (Waiting& item : std::exchange(waiting, {})) {
    if (AsksForChain(item.request.body)) {
      waiting_bytes -= item.bytes;
      StartChainCheck(std::move(item.request), effects);
    } else {
      others.push_back(std::move(item));
    }
  }
  for (Waiting& item : waiting) others.push_back(std::move(item));  // Checked on the spot.
  waiting = std::move(others);
}

storage::ReadRequest Group::Impl::EntryAt(Seq seq, uint64_t ticket) const {
  return {.group = id,
          .ticket = ticket,
          .first = Index(),
          .seq = seq,
          .timestamp_us = 0,
          .last = state.applied_index(),
          .max_bytes = 1};
}

void Group::Impl::StartChainCheck(Request request, Effects& effects) {
  const LogFacts& facts = state.applied();
  const Seq seq = ChainSeqOf(request.body, facts.last_seq);
  const auto refusal = [&](cairn::v1::Reason reason, std::string message) {
    Rejection rejection = Reject(reason, std::move(message));
    rejection.info.set_first_seq(facts.first_seq.value());
    rejection.info.set_last_seq(facts.last_seq.value());
    return rejection;
  };
  if (seq > facts.last_seq) {
    // It is this leader that may be behind.
    Rejection ahead = refusal(
        cairn::v1::REASON_SEQ_IN_FUTURE,
        fmt::format("asked for the chain at seq {}, but last_seq is {}", seq, facts.last_seq));
    refusals.Add({request.reply_to, std::move(ahead)}, request.deadline);
    return;
  }
  const auto refuse = [&](cairn::v1::Reason reason, std::string message) {
    Answer(request.reply_to, refusal(reason, std::move(message)), effects);
  };
  // The chain at first_seq - 1 is still known: it is the one before the first kept record.
  if (seq + 1 < facts.first_seq || seq < segments.first().first_seq.Previous()) {
    return refuse(cairn::v1::REASON_TRIMMED,
                  fmt::format("asked for the chain at seq {}, but first_seq is {}: it is no longer "
                              "known",
                              seq, facts.first_seq));
  }
  if (chain_checks.size() >= config.limits.max_snapshots) {
    return refuse(cairn::v1::REASON_OVERLOADED, "too many chains are being looked up");
  }
  if (seq == facts.last_seq) return FinishChainCheck(std::move(request), facts.chain, effects);
  if (seq + 1 == segments.first().first_seq) {
    return FinishChainCheck(std::move(request), segments.first().chain_before, effects);
  }
  const uint64_t ticket = kChainTicketBit | ++next_chain_ticket;
  effects.reads.push_back(EntryAt(seq, ticket));
  chain_checks.emplace(ticket, ChainCheck{std::move(request), std::nullopt, 0});
}

void Group::Impl::FinishChainCheck(Request request, uint64_t chain, Effects& effects) {
  if (std::holds_alternative<GetChainOp>(request.body)) {
    const Seq seq = ChainSeqOf(request.body, state.applied().last_seq);
    return Answer(request.reply_to, ChainView{seq, chain, state.applied().importing}, effects);
  }
  const auto& op = std::get<RegisterSnapshotOp>(request.body);
  if (op.chain != chain) {
    Rejection rejection =
        Reject(cairn::v1::REASON_CHAIN_MISMATCH,
               fmt::format("the log's chain at seq {} is {:016x}, the snapshot's is {:016x}",
                           op.seq, chain, op.chain));
    rejection.info.set_chain(chain);
    Answer(request.reply_to, std::move(rejection), effects);
    return;
  }
  Queue(std::move(request));
}

void Group::Impl::OnChainLoaded(storage::ReadResult result, Effects& effects) {
  const auto it = chain_checks.find(result.ticket);
  if (it == chain_checks.end()) return;  // The term ended meanwhile.
  ChainCheck check = std::move(it->second);
  chain_checks.erase(it);
  const auto give_up = [&](const std::string& why) {
    Answer(check.request.reply_to,
           Reject(result.status.code() == absl::StatusCode::kDataLoss ? cairn::v1::REASON_LOG_HALTED
                                                                      : cairn::v1::REASON_TRIMMED,
                  why),
           effects);
  };
  if (!result.status.ok()) return give_up(std::string(result.status.message()));
  const Seq seq = ChainSeqOf(check.request.body, Seq());
  if (!check.payload) {
    if (result.entries.empty()) return give_up("the entry is not stored");
    const auto view = storage::EntryView::Parse(result.entries[0].payload.view());
    if (!view.ok()) return give_up(std::string(view.status().message()));
    if (view->header().last_seq() == seq) {
      return FinishChainCheck(std::move(check.request), view->header().chain, effects);
    }
    // The seq lies inside of the entry: its chain follows from the one before the entry.
    check.payload = result.entries[0].payload;
    const Seq before = view->header().first_seq.Previous();
    if (before < segments.first().first_seq) {
      check.chain_before = segments.first().chain_before;
    } else {
      effects.reads.push_back(EntryAt(before, result.ticket));
      chain_checks.emplace(result.ticket, std::move(check));
      return;
    }
  } else {
    if (result.entries.empty()) return give_up("the entry before is not stored");
    const auto header = storage::ParseEntryHeader(result.entries[0].payload.view());
    if (!header.ok()) return give_up(std::string(header.status().message()));
    check.chain_before = header->chain;
  }
  const auto view = storage::EntryView::Parse(check.payload->view());
  CHECK(view.ok());
  const auto offset = static_cast<uint32_t>(seq - view->header().first_seq);
  FinishChainCheck(std::move(check.request), view->ChainAfter(check.chain_before, offset), effects);
}

}  // namespace cairn::server
