// Group: runs, by which a replica far behind is filled (consensus/raft_runs.cc, decisions
// 028 and 032).
//
//   leader     SendMessages: an append to a peer that is far behind
//              -> OfferRun: the rest of its segment, with the state behind it, which the next
//              segment's row holds; of the open segment what is applied, with the state there
//   follower   RunOffer -> core -> WantFetch -> effects.fetches ... Fetched -> OnFetched
//              -> stepped in as one append -> DoWrite -> TakeRun: the store takes the run, the
//              state machine jumps to the state behind it, and the newest segment row is that
//              state's, unless the segment goes on
//
// The run's entries never pass the ring, and the state machine does not apply them: it takes over
// the segment row of the leader's, of which seq, log time and chain were computed here, entry by
// entry, when the run was fetched (server/run_check.h). The rest of that state is believed as that
// of a snapshot is.
//
// Readers are shown the run when it is in the store: until then cold reads would not find it.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/status_macros.h"
#include "server/group_impl.h"

namespace cairn::server {

// ---- The leader's side ----------------------------------------------------------------

std::optional<std::pair<storage::SegmentRow, bool>> Group::Impl::EndOfRun(Index after) const {
  const storage::SegmentRow* const row = segments.EndOfRun(after, config.run_bytes);
  if (row != nullptr && row->before_index <= core.persisted()) return std::pair(*row, false);
  // What is applied is on a majority's disks, and most likely on this one by the time it is read.
  if (segments.EndsWithRun(after, config.run_bytes)) return std::pair(MakeRow(), true);
  return std::nullopt;
}

std::optional<consensus::RunOffer> Group::Impl::OfferRun(NodeId to,
                                                         const consensus::AppendRequest& append) {
  // (The catalog is one segment, and nobody's snapshot.)
  if (config.run_bytes == 0 || catalog != nullptr || !core.MayOfferRun(to)) return std::nullopt;
  // An answer of this turn may say that it holds more by now than this append begins behind.
  if (core.progress().at(to).next() != append.prev.index + 1) return std::nullopt;
  if (!feed.FarBehind(to, append.prev.index + 1, hub, core)) return std::nullopt;
  const auto end = EndOfRun(append.prev.index);
  if (!end) return std::nullopt;
  const auto& [row, open] = *end;
  core.OnRunOffered(to, row.before_index);
  consensus::RunOffer offer{.prev = append.prev,
                            .through = {row.before_term, row.before_index},
                            .snapshot = Bytes(row.state),
                            .free_bytes = feed.FreeBytes(to, core),
                            .open = open};
  // What is held back has time enough, and comes with what its own offer has free.
  const storage::SegmentRow* const next = segments.EndOfRun(row.before_index, config.run_bytes);
  if (next != nullptr && !feed.HoldsBack(to, core)) {
    offer.ahead = {next->before_term, next->before_index};
  }
  return offer;
}

// ---- The follower's side ----------------------------------------------------------------

absl::Status Group::Impl::CheckOffer(const consensus::RunOffer& offer) const {
  if (config.run_bytes == 0 || catalog != nullptr || offer.through.index <= offer.prev.index) {
    return absl::InvalidArgumentError("this replica takes no such runs");
  }
  return DecodeSnapshot(offer.snapshot, offer.through).status();
}

void Group::Impl::WantFetch(const consensus::Fetch& wanted, Effects& effects) {
  // One at a time; the leader offers again.
  if (fetch || !offered || offered->through != wanted.through) return;
  fetch = RunFetch{
      .ticket = ++fetches, .wanted = wanted, .snapshot = offered->snapshot, .open = offered->open};
  effects.fetches.push_back({.group = id,
                             .ticket = fetch->ticket,
                             .from = wanted.from,
                             .prev = wanted.prev,
                             .position = PositionAfterHeld(wanted.prev),
                             .through = wanted.through,
                             .free_bytes = offered->free_bytes,
                             .ahead = offered->ahead});
}

absl::Status Group::Impl::CheckFetched(const Fetched& fetched, const RunFetch& expected) const {
  RETURN_IF_ERROR(fetched.status);
  ASSIGN_OR_RETURN(const cairn::v1::GroupSnapshot snapshot,
                   DecodeSnapshot(expected.snapshot, expected.wanted.through));
  ASSIGN_OR_RETURN(const LogFacts facts, LogFacts::FromSnapshot(snapshot.state()));
  if (fetched.after.last_seq == facts.last_seq && fetched.after.chain == facts.chain) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      fmt::format("the entries end with seq {} and chain {:016x}, the state "
                  "behind them with seq {} and chain {:016x}",
                  fetched.after.last_seq, fetched.after.chain, facts.last_seq, facts.chain));
}

void Group::Impl::OnFetched(Fetched fetched, TurnTime now, Effects& effects) {
  if (!fetch || fetch->ticket != fetched.ticket) return;
  const RunFetch done = *std::exchange(fetch, std::nullopt);
  if (const absl::Status status = CheckFetched(fetched, done); !status.ok()) {
    // The leader learns by the next heartbeats that nothing is fetched, and sends entries.
    if (!absl::IsDataLoss(status)) return;
    effects.alarms.push_back(
        fmt::format("log {} ({}): what was fetched from node {} is refused: {}", name, id,
                    done.wanted.from, std::string(status.message())));
    return;
  }
  const Index last = core.last().index;
  if (halted || core.last() != done.wanted.prev || core.persisted() != last) return;
  run = std::move(fetched);
  run_fetch = done;
  consensus::AppendRequest append{.prev = done.wanted.prev,
                                  .last = done.wanted.through.index,
                                  .commit = done.wanted.through.index};
  append.entries = std::move(run->entries);
  core.Step({done.wanted.from, core.self(), done.wanted.term, std::move(append)});
  TakeReady(now, effects);
  run.reset();
}

bool Group::Impl::IsFetching() const { return fetch || core.persisted() < run_end; }

void Group::Impl::TakeRun(consensus::Position through, TurnTime now, Effects& effects,
                          storage::GroupWrite& out) {
  Hit(Mark::kRunTaken);
  auto snapshot = DecodeSnapshot(run_fetch.snapshot, through);
  CHECK(snapshot.ok());  // CheckFetched has seen to it.
  auto facts = LogFacts::FromSnapshot(snapshot->state());
  CHECK(facts.ok());
  out.run = std::move(run->run);
  segments.TakeRun(run->bytes, through.index);
  if (run_fetch.open) {
    Hit(Mark::kRunOpen);
  } else {
    storage::SegmentRow row = RowOf(*std::move(snapshot), through, *facts);
    out.segments.push_back(row);
    segments.Seal(std::move(row));
  }
  state.Skip(std::move(*facts), through.index, now);
  core.OnApplied(through.index);
  hub.Skip(through.index, PositionOf(state.applied()));
  run_end = through.index;
  hides_applied = true;
  waiters.OnSkipped(through.index, effects.replies);
}

void Group::Impl::ShowApplied(Effects& effects) {
  hides_applied = core.persisted() < run_end;
  if (hides_applied) return;
  hub.OnApplied(state.applied_index(), PositionOf(state.applied()), effects);
}

}  // namespace cairn::server
