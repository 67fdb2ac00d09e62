// A log that is made again from a backup: its records come with their log times, and are judged
// like appends, batch by batch. Until the import ends nothing else is accepted; afterwards, never
// an import again.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "server/log_state.h"
#include "server/rejections.h"

namespace cairn::server {

std::optional<int64_t> LogState::TimeFor(const RequestBody& body, TurnTime now) const {
  if (!speculative_->importing) return std::nullopt;
  if (const auto* import = std::get_if<ImportOp>(&body)) {
    CHECK_LT(import->next, import->batches.size());
    return import->batches[import->next].timestamp_us;
  }
  if (std::holds_alternative<FinishImportOp>(body)) return now.wall;
  return std::nullopt;
}

std::optional<Evaluation> LogState::EvaluateImport(ImportOp& op) {
  const GroupId log = applied_.log_id;
  if (auto decided = JudgeImporting(true)) return *decided;
  if (op.next == 0) {
    if (auto decided = JudgeLastSeq(op.if_last_seq)) return *decided;
  }
  const ImportOp::Batch& batch = op.batches[op.next];
  if (batch.timestamp_us < spec().timestamp_us) {
    return RestsOn(Unsettled::Fact::kFirstSeq,
                   Invalid(log, fmt::format("imported records have log time {}, expected {} or "
                                            "later",
                                            batch.timestamp_us, spec().timestamp_us)));
  }
  CHECK_EQ(batch.timestamp_us, begun_->builder.timestamp_us());
  const uint32_t offset = begun_->builder.record_count();
  ItemStep step = AddRecords(batch.records, batch.count);
  const AppendDone done{step.first_seq, step.last_seq, batch.timestamp_us, step.chain_after,
                        /*duplicate=*/false};
  step.item.mutable_import()->set_offset(offset);
  step.item.mutable_import()->set_count(batch.count);
  AddItem(std::move(step));
  if (++op.next < op.batches.size()) return std::nullopt;
  return Accepted{done};
}

Evaluation LogState::EvaluateFinish(const FinishImportOp& op) {
  if (auto decided = JudgeLastSeq(op.last_seq)) return *decided;
  if (op.chain != spec().chain) {
    return RestsOn(Unsettled::Fact::kFirstSeq,
                   ChainMismatch(applied_.log_id, op.last_seq, spec().chain, op.chain));
  }
  cairn::v1::EntryItem item;
  item.mutable_finish_import()->set_last_seq(op.last_seq.value());
  item.mutable_finish_import()->set_chain(op.chain);
  AddItem(std::move(item));
  unsettled_.OnChange(Unsettled::Fact::kFirstSeq, begun_->index);
  return Accepted{Done{}};
}

std::optional<Decided> LogState::JudgeImporting(bool wanted) const {
  if (speculative_->importing == wanted) return std::nullopt;
  return RestsOn(
      Unsettled::Fact::kFirstSeq,
      Invalid(applied_.log_id,
              wanted
                  ? "the log takes no imported records: its import has ended, or it never had one"
                  : "the log is being imported: expected FinishImport before anything else"));
}

}  // namespace cairn::server
